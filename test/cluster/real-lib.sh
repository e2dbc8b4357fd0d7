# Sourced by the scripts that run the chart on real kubelets: a test bed of its own for each, the chart from the image tar, and the checks.
#
#   . test/cluster/real-lib.sh TESTBED_DIR NUMBER NODES     (NUMBER: one that no script beside it has; ports and addresses follow from it)
#
# The test bed is used and not changed; its state is in a temporary folder. There is no cluster DNS and no kube-proxy in it: names come
# from hostAliases, and the webhook listens on the port of its service.
set -uo pipefail
BED=$(cd "${1:?usage: $0 TESTBED_DIR}" && pwd) || exit 2
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
export PATH="$PWD/node_modules/.bin:$PATH"
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}
HELM=${HELM:-$CACHE/nerve/bin/helm-$(node -p 'require("./test/support/programs.json").helm')}
WORK=$(mktemp -d)
export TB_BIN=${TB_BIN:-$CACHE/k8s-testbed/bin} TB_HOME=$WORK/bed TB_IMAGES=$WORK/images
export TB_API_PORT=2644$2 TB_ETCD_PORT=2238$2 TB_ETCD_PEER_PORT=2239$2 TB_SCHED_PORT=2036$2 TB_KCM_PORT=2037$2 TB_KWOK_PORT=2034$2
export TB_NET=172.31.24$2 TB_BR=tbbr$2 TB_NODE_PREFIX=real$2 TB_POD_CIDR=10.24$2.0.0/16 TB_KWOK_NODES=0 TB_REAL_NODES=$3
export TB_SVC_CIDR=10.9$2.0.0/16 TB_SVC_IP=10.9$2.0.1
export TB_APISERVER_ARGS=--enable-aggregator-routing=true KUBECONFIG=$TB_HOME/run/admin.kubeconfig
for program in "$HELM" "$TB_BIN/kubelet" "$TB_BIN/containerd" "$TB_BIN/runc"; do [ -x "$program" ] || { echo "$program is missing: $BED/build.sh l2"; exit 2; }; done

PASSED=0 FAILED=0
CHILDREN=() # of the script: ended with it
check() { # check WHAT COMMAND...: it passes when the command does
  local what=$1; shift
  if "$@"; then PASSED=$((PASSED + 1)); echo "ok      $what"; else FAILED=$((FAILED + 1)); echo "FAILED  $what"; fi
}
note() { echo "        $*"; }
# keep_logs: what every pod and every node said, for the one who looks for the fault
keep_logs() {
  local pod namespace
  k get pods -A -o yaml >"$WORK/pods.yaml" 2>/dev/null; k get nodes -o yaml >"$WORK/nodes.yaml" 2>/dev/null; k get events -A >"$WORK/events" 2>/dev/null
  while read -r namespace pod; do k logs -n "$namespace" "$pod" --all-containers >"$WORK/$namespace-$pod.log" 2>&1; done \
    < <(k get pods -A --no-headers -o custom-columns=N:.metadata.namespace,P:.metadata.name 2>/dev/null)
}
finish() {
  [ "$FAILED" = 0 ] || keep_logs
  for child in "${CHILDREN[@]}"; do kill "$child" 2>/dev/null; done
  "$BED/down.sh" >"$WORK/down.log" 2>&1
  [ "$FAILED" = 0 ] && [ -z "${KEEP:-}" ] && rm -rf "$WORK" || echo "logs: $WORK"
  echo "$PASSED passed, $FAILED failed"
}
trap finish EXIT
k() { "$TB_BIN/kubectl" "$@"; }
nerve() { node src/cli.ts "$@"; }
now() { date +%s.%3N; }
since() { awk -v a="$1" -v b="${2:-$(now)}" 'BEGIN { printf "%.2f", b - a }'; }
below() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a >= 0 && a < b) }'; }
until_true() { # until_true SECONDS COMMAND...
  local limit=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $limit ] || return 1; sleep 0.5; done
}
gated() { k get pods -A -o json | python3 -c 'import json, sys; print(sum(bool(p["spec"].get("schedulingGates")) for p in json.load(sys.stdin)["items"]))'; }
none_gated() { [ "$(gated)" = 0 ]; }
ip_of() { k get pod -n nerve -l "app.kubernetes.io/component=$1" -o 'jsonpath={.items[0].status.podIP}' 2>/dev/null; }
has_ip() { [ -n "$(ip_of "$1")" ]; }
ready() { k wait pod -n nerve -l "app.kubernetes.io/component=$1" --for=condition=Ready --timeout=1s; }
beats() { k get pods -n nerve -l app.kubernetes.io/component=worker -o 'jsonpath={.items[*].metadata.annotations.nerve\.io/beat}'; }
beating() { beats | grep -q .; }
annotation() { k get pod "$1" -o "jsonpath={.metadata.annotations.nerve\\.io/$2}" 2>/dev/null; }
phase() { k get pod "$1" -o 'jsonpath={.status.phase}' 2>/dev/null; }
running() { [ "$(phase "$1")" = Running ]; }
installed() { k rollout status -n nerve deploy/nerve-agent-worker deploy/nerve-agent-webhook ds/nerve-agent-agent sts/nerve-agent-redis --timeout=90s >/dev/null; }
tested() { "$HELM" test nerve-agent -n nerve --timeout 60s >"$WORK/test.log" 2>&1; }
install() { # install FLAG...: with the addresses that a cluster DNS would give
  local set=(--set redis.persistence.enabled=false --set webhook.port=443 --set webhook.replicas=1 "$@")
  "$HELM" upgrade --install nerve-agent charts/nerve-agent -n nerve --create-namespace "${set[@]}" >"$WORK/install.log" 2>&1 || { cat "$WORK/install.log"; return 1; }
  until_true 60 has_ip redis && until_true 60 ready webhook || return 1
  "$HELM" upgrade nerve-agent charts/nerve-agent -n nerve "${set[@]}" \
    --set "worker.hostAliases[0].ip=$(ip_of redis),worker.hostAliases[0].hostnames={nerve-agent-redis.nerve.svc}" \
    --set "worker.hostAliases[1].ip=$(ip_of webhook),worker.hostAliases[1].hostnames={nerve-agent-webhook.nerve.svc}" >>"$WORK/install.log" 2>&1
}
start_bed() { # start_bed IMAGE...: images of the test bed, beside Nerve's own
  local each
  mkdir -p "$TB_IMAGES"
  for each in pause "$@"; do cp "$CACHE/k8s-testbed/images/$each.tar" "$TB_IMAGES/" || exit 2; done
  IMAGE=localhost/nerve:$(node -p 'require("./package.json").version')
  node scripts/image.ts --load "$TB_IMAGES/nerve.tar" || exit 1
  "$BED/up.sh" >"$WORK/up.log" 2>&1 || { tail -5 "$WORK/up.log"; exit 1; }
}
