#!/usr/bin/env bash
# What may go away under Nerve on real kubelets (root; the test bed in TESTBED_DIR, built with its `build.sh l2`): Redis loses everything while 50
# jobs are held, and the API server is away for ten minutes. Every job must run and be in time.
#
#   test/cluster/outage-real.sh TESTBED_DIR [SECONDS_AWAY]
#
# Spot costs as much as on demand here, so nobody wants it: every job is held until its latest start, which its deadline puts where this test
# needs it: for most of them soon after the API server is back. A job waits some seconds and ends.
export TB_CT=on-demand
. "$(dirname "$0")/real-lib.sh" "${1:-}" 5 2
AWAY=${2:-600}
WORKS=30 # seconds that a job says it takes
JOBS=50

ago() { date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%dT%H:%M:%SZ; }
# job NAME DEADLINE_IN [WORKS]: in seconds
job() {
  cat <<Y
apiVersion: v1
kind: Pod
metadata:
  name: $1
  labels: { nerve.io/tier: async, round: ${1%-*} }
  annotations: { nerve.io/deadline: "$(ago "$2")", nerve.io/expected-duration: ${3:-$WORKS}s, nerve.io/optimize: cost }
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers: [{ name: main, image: testbed.local/busybox:1, imagePullPolicy: Never, command: [sleep, "${4:-5}"] }]
---
Y
}
count() { k get pods -l "round=$1" -o "jsonpath={.items[*].$2}" | tr ' ' '\n' | grep -cx "$3"; }
all_held() { [ "$(count "$1" 'metadata.annotations.nerve\.io/state' held)" -ge "$2" ]; }
all_ended() { [ "$(count "$1" status.phase Succeeded)" -ge "$2" ]; }
# lateness ROUND: pods, how many were late, and the tightest end before the deadline, in seconds
lateness() {
  k get pods -l "round=$1" -o json | python3 -c '
import json, sys, datetime as d
at = lambda text: d.datetime.fromisoformat(text.replace("Z", "+00:00"))
left = []
for pod in json.load(sys.stdin)["items"]:
    ended = [s["state"]["terminated"]["finishedAt"] for s in pod.get("status", {}).get("containerStatuses", []) if "terminated" in s["state"]]
    left.append((at(pod["metadata"]["annotations"]["nerve.io/deadline"]) - at(ended[0])).total_seconds() if ended else -1e9)
print(len(left), sum(x < 0 for x in left), round(min(left)))'
}
in_time() { local n late least; read -r n late least < <(lateness "$1"); note "$n jobs, $late late; the tightest ended $least s before its deadline"; [ "$n" = "$2" ] && [ "$late" = 0 ]; }
redis() { # redis COMMAND: as its operator, with the chart's own password
  local password; password=$(k get secret -n nerve nerve-agent-redis -o 'jsonpath={.data.password}' | base64 -d)
  python3 - "$(ip_of redis)" "$password" "$@" <<'P'
import socket, sys
host, password, *words = sys.argv[1:]
line = socket.create_connection((host, 6379), 5)
say = lambda *w: line.sendall(b"*%d\r\n" % len(w) + b"".join(b"$%d\r\n%s\r\n" % (len(x.encode()), x.encode()) for x in w))
say("AUTH", password); line.recv(100)
say(*words); print(line.recv(100000).decode().strip())
P
}
six_run() { [ "$(k get pods -l 'round in (across,within)' --field-selector status.phase=Running -o name | wc -l)" = 6 ]; }
live() { redis SCARD nerve:live | tr -d ':'; }
live_is() { [ "$(live)" -ge "$1" ]; }
# The API server of the test bed, by the process that it recorded.
api_down() { CMD=(); while IFS= read -r -d '' word; do CMD+=("$word"); done <"/proc/$(cut -d' ' -f1 <"$PIDS/kube-apiserver")/cmdline"; stop kube-apiserver 2; }
api_up() { daemon kube-apiserver "${CMD[@]}"; }
answers() { k get --raw /readyz --request-timeout 2s; }
moved_on() { [ -n "$(beats)" ] && [ "$(beats)" != "$BEATS" ]; }

start_bed busybox
k label node "$TB_NODE_PREFIX-a" karpenter.sh/capacity-type=on-demand --overwrite >/dev/null
. "$BED/lib.sh"
cat >"$WORK/prices.yaml" <<Y
region: eu-west-3
source: made up for this test
readAt: $(date -u +%Y-%m-%dT%H:%M:%SZ)
prices:
  - { instanceType: p5.48xlarge, onDemandUsdPerHour: 1, spotUsdPerHour: { eu-west-3a: 1.5, eu-west-3b: 1.5 } }
Y
# What must fit between a start and the deadline is made short, so that a job can be held and be in time within minutes.
SETTINGS=(--set settings.policy.marginSeconds=30 --set settings.policy.onDemandLeadSeconds=30 --set settings.policy.startOverheadSeconds=20
  --set settings.policy.placementTimeoutSeconds=10 --set settings.policy.maxUnsavedSeconds=10)
OVERHEAD=$((WORKS + 30 + 30 + 20 + 120 + 30)) # and a notice, and a sweep; spot must be given up 40 s earlier
check "helm installs the chart" install --set-file "prices=$WORK/prices.yaml" "${SETTINGS[@]}"
check "worker, webhook, agent and Redis run as its pods" installed
check "the worker beats" until_true 60 beating
sleep 6 # the webhook reads the beat every 5 s

# 50 jobs that nobody wants before the outage is over, and two kinds beside them: running over the whole outage, and ending within it.
for i in $(seq $JOBS); do job "wiped-$i" $((OVERHEAD + AWAY + 180 + i)); done | k create -f - >/dev/null
{
  for i in 1 2 3; do job "across-$i" $((OVERHEAD - WORKS + AWAY + 125)) $((AWAY + 120)) $((AWAY + 60)); done
  for i in 1 2 3; do job "within-$i" $((OVERHEAD - WORKS + AWAY + 65)) $((AWAY + 60)) 60; done
} | k create -f - >/dev/null
check "$JOBS jobs are held" until_true 90 all_held wiped $JOBS
check "six run" until_true 60 six_run
before=$(live)
redis FLUSHALL >/dev/null
wiped=$(now)
note "Redis knew $before live jobs, now $(live); $(gated) pods are held"
check "every record is written again" until_true 60 live_is $((JOBS + 6))
note "after $(since "$wiped") s"
sleep 3

BEATS=$(beats)
api_down; away=$(now)
check "the API server is away" sh -c "! '$TB_BIN/kubectl' get --raw /readyz --request-timeout 2s >/dev/null 2>&1"
sleep "$AWAY"
api_up
check "it comes back after $AWAY s" until_true 60 answers
back=$(now)
note "away for $(since "$away" "$back") s"
check "the worker beats again" until_true 120 moved_on
note "after $(since "$back") s"
job new-1 $((OVERHEAD + 120)) | until_true 30 k create -f -
check "what is created now is held and planned again" until_true 120 all_held new 1
note "after $(since "$back") s"
check "what ran over the outage ends" until_true 240 all_ended across 3
check "and in time" in_time across 3
check "what ended within it has ended" until_true 60 all_ended within 3
check "and in time" in_time within 3
check "all $JOBS that were held run and end" until_true $((OVERHEAD + 300)) all_ended wiped $JOBS
check "and in time" in_time wiped $JOBS
check "so does the new one" until_true $((OVERHEAD + 300)) all_ended new 1
check "no pod is held" none_gated
check "no attempt was started twice" [ "$(k get pods -o name | wc -l)" = $((JOBS + 7)) ]
note "restarts of Nerve's own containers: $(k get pods -n nerve -o 'jsonpath={.items[*].status.containerStatuses[*].restartCount}')"
[ "$FAILED" = 0 ]
