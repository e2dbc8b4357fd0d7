#!/usr/bin/env bash
# The chart on real kubelets (root; the test bed in TESTBED_DIR, built with its `build.sh l2`): every program runs as the chart's pod,
# from the image that scripts/image.ts makes, with the chart's own accounts. It shows that `helm test` passes, that labelled pods are
# adopted and held, that a Nerve killed for good leaves none of them held, and that neither does an uninstall while a client creates
# ten labelled pods a second.
#
#   test/cluster/chart-real.sh TESTBED_DIR
export TB_CT=on-demand
. "$(dirname "$0")/real-lib.sh" "${1:-}" 7 2
held() { [ "$(k get pods -o 'jsonpath={.items[*].metadata.annotations.nerve\.io/state}')" = "held held" ]; }
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
start_bed
check "helm installs the chart" install
check "worker, webhook, agent and Redis run as its pods" installed
check "helm test passes" tested
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
"$TB_BIN/kubectl" proxy --port=0 >"$WORK/proxy" & CHILDREN+=($!)
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
