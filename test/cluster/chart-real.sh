#!/usr/bin/env bash
# The chart on real kubelets (root; the test bed in TESTBED_DIR, built with its `build.sh l2`): every program runs as the chart's pod,
# from the image that scripts/image.ts makes, with the chart's own accounts. It shows that `helm test` passes, that labelled pods are
# adopted and held, that a Nerve killed for good leaves none of them held, and that neither does an uninstall while a client creates
# ten labelled pods a second.
#
#   test/cluster/chart-real.sh TESTBED_DIR
#
# The test bed is used and not changed; its state is in a temporary folder. There is no cluster DNS and no kube-proxy in it: names come
# from hostAliases, and the webhook listens on the port of its service.
set -uo pipefail
BED=$(cd "${1:?usage: $0 TESTBED_DIR}" && pwd) || exit 2
cd "$(dirname "$0")/../.." || exit 2
export PATH="$PWD/node_modules/.bin:$PATH"
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}
HELM=${HELM:-$CACHE/nerve/bin/helm-$(node -p 'require("./test/support/programs.json").helm')}
WORK=$(mktemp -d)
export TB_BIN=${TB_BIN:-$CACHE/k8s-testbed/bin} TB_HOME=$WORK/bed TB_IMAGES=$WORK/images
export TB_API_PORT=26443 TB_ETCD_PORT=22379 TB_ETCD_PEER_PORT=22380 TB_SCHED_PORT=20359 TB_KCM_PORT=20357 TB_KWOK_PORT=20347
export TB_NET=172.31.249 TB_BR=tbbr7 TB_NODE_PREFIX=chart TB_POD_CIDR=10.243.0.0/16 TB_KWOK_NODES=0 TB_REAL_NODES=2 TB_CT=on-demand
export TB_APISERVER_ARGS=--enable-aggregator-routing=true KUBECONFIG=$TB_HOME/run/admin.kubeconfig
for program in "$HELM" "$TB_BIN/kubelet" "$TB_BIN/containerd" "$TB_BIN/runc"; do [ -x "$program" ] || { echo "$program is missing: $BED/build.sh l2"; exit 2; }; done

PASSED=0 FAILED=0 PROXY=
check() { # check WHAT COMMAND...: it passes when the command does
  local what=$1; shift
  if "$@"; then PASSED=$((PASSED + 1)); echo "ok      $what"; else FAILED=$((FAILED + 1)); echo "FAILED  $what"; fi
}
finish() {
  [ -n "$PROXY" ] && kill "$PROXY" 2>/dev/null
  "$BED/down.sh" >"$WORK/down.log" 2>&1
  [ "$FAILED" = 0 ] && rm -rf "$WORK" || echo "logs: $WORK"
  echo "$PASSED passed, $FAILED failed"
}
trap finish EXIT
k() { "$TB_BIN/kubectl" "$@"; }
gated() { k get pods -A -o json | python3 -c 'import json, sys; print(sum(bool(p["spec"].get("schedulingGates")) for p in json.load(sys.stdin)["items"]))'; }
ip_of() { k get pod -n nerve -l "app.kubernetes.io/component=$1" -o 'jsonpath={.items[0].status.podIP}' 2>/dev/null; }
until_true() { # until_true SECONDS COMMAND...
  local limit=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $limit ] || return 1; sleep 1; done
}
ready() { k wait pod -n nerve -l "app.kubernetes.io/component=$1" --for=condition=Ready --timeout=1s; }
beating() { k get pods -n nerve -l app.kubernetes.io/component=worker -o 'jsonpath={.items[*].metadata.annotations.nerve\.io/beat}' | grep -q .; }
held() { [ "$(k get pods -o 'jsonpath={.items[*].metadata.annotations.nerve\.io/state}')" = "held held" ]; }
none_gated() { [ "$(gated)" = 0 ]; }
running() { k get pod "$1" -o 'jsonpath={.status.phase}' | grep -q Running; }
pod() { # pod NAME: labelled, an hour of work, due tomorrow
  local due; due=$(date -u -d '+20 hours' +%Y-%m-%dT%H:%M:%SZ)
  k create -f - >/dev/null 2>&1 <<Y
apiVersion: v1
kind: Pod
metadata:
  name: $1
  labels: { nerve.io/tier: async }
  annotations: { nerve.io/deadline: "$due", nerve.io/expected-duration: 1h }
spec:
  restartPolicy: Never
  containers: [{ name: main, image: "$IMAGE", command: [/usr/local/bin/node, -e, "setTimeout(() => {}, 1e9)"] }]
Y
}
install() { # with the addresses that a cluster DNS would give
  local set=(--set redis.persistence.enabled=false --set webhook.port=443 --set webhook.replicas=1)
  "$HELM" upgrade --install nerve-agent charts/nerve-agent -n nerve --create-namespace "${set[@]}" >"$WORK/install.log" 2>&1 || { cat "$WORK/install.log"; return 1; }
  until_true 60 sh -c "'$TB_BIN/kubectl' get pod -n nerve -o jsonpath='{.items[*].status.podIP}' -l app.kubernetes.io/component=redis | grep -q ." || return 1
  until_true 60 ready webhook || return 1
  "$HELM" upgrade nerve-agent charts/nerve-agent -n nerve "${set[@]}" \
    --set "worker.hostAliases[0].ip=$(ip_of redis),worker.hostAliases[0].hostnames={nerve-agent-redis.nerve.svc}" \
    --set "worker.hostAliases[1].ip=$(ip_of webhook),worker.hostAliases[1].hostnames={nerve-agent-webhook.nerve.svc}" >>"$WORK/install.log" 2>&1
}

mkdir -p "$TB_IMAGES" && cp "$CACHE/k8s-testbed/images/pause.tar" "$TB_IMAGES/" || exit 2
IMAGE=localhost/nerve:$(node -p 'require("./package.json").version')
node scripts/image.ts --load "$TB_IMAGES/nerve.tar" || exit 1
"$BED/up.sh" >"$WORK/up.log" 2>&1 || { tail -5 "$WORK/up.log"; exit 1; }

check "helm installs the chart" install
check "worker, webhook, agent and Redis run as its pods" sh -c "'$TB_BIN/kubectl' rollout status -n nerve deploy/nerve-agent-worker deploy/nerve-agent-webhook ds/nerve-agent-agent sts/nerve-agent-redis --timeout=90s >/dev/null"
check "helm test passes" sh -c "'$HELM' test nerve-agent -n nerve --timeout 60s >'$WORK/test.log' 2>&1"
check "the worker beats" until_true 60 beating
sleep 6 # the webhook reads the beat every 5 s
check "a labelled pod is created" pod first
check "and another" pod second
check "both are adopted, planned and held" until_true 30 held

k scale -n nerve deploy/nerve-agent-worker --replicas=0 >/dev/null
k delete pod -n nerve -l app.kubernetes.io/component=worker --grace-period=0 --force >/dev/null 2>&1
killed=$SECONDS
check "killed for good: no pod is held after 4 min" until_true 240 none_gated
echo "        gates open after $((SECONDS - killed)) s"
check "a new pod is created" pod third
check "and starts at once" until_true 20 running third

k delete pod first second third --grace-period=1 >/dev/null
k scale -n nerve deploy/nerve-agent-worker --replicas=2 >/dev/null
check "Nerve comes back" until_true 90 beating
sleep 6
"$TB_BIN/kubectl" proxy --port=0 >"$WORK/proxy" & PROXY=$!
until_true 10 grep -q Starting "$WORK/proxy"
python3 test/cluster/create-pods.py "http://$(grep -o '127[0-9.:]*' "$WORK/proxy")" 240 "$IMAGE" >"$WORK/created" & CLIENT=$!
sleep 10
echo "        $(gated) pods held"
began=$SECONDS
check "helm uninstall ends well while a client creates ten labelled pods a second" "$HELM" uninstall nerve-agent -n nerve --timeout 4m
echo "        after $((SECONDS - began)) s"
sleep 5
kill -TERM "$CLIENT" 2>/dev/null; wait "$CLIENT"; echo "        the client: $(cat "$WORK/created")"
check "some pods had been held" grep -q '"held": [1-9]' "$WORK/created"
check "no creation failed" grep -q '"failed": 0' "$WORK/created"
check "none is left held" none_gated
check "nothing of Nerve's is left" until_true 60 sh -c "! '$TB_BIN/kubectl' get clusterrole,clusterrolebinding,mutatingwebhookconfiguration,all,secret -n nerve -o name 2>/dev/null | grep -q nerve"
[ "$FAILED" = 0 ]
