#!/usr/bin/env bash
# A spot interruption from end to end on real kubelets (root; the test bed in TESTBED_DIR, built with its `build.sh l2`): two real training runs
# in zone a, one a pod that `nerve submit` made and one a pod of somebody's Job; then a notice in the metadata service of their node. Checkpoints
# go to a real S3 server. Times are those of the agent's log and of a watch of the pods; all clocks are this machine's.
#
#   test/cluster/e2e-real.sh TESTBED_DIR
#
# The pods' Python has no packages: boto3 and PyTorch come from the tests' own environment (scripts/make-tools.ts), which every "node" sees.
export TB_CT=spot
. "$(dirname "$0")/real-lib.sh" "${1:-}" 6 4
tool() { node --input-type=module -e "import { $1 } from './scripts/tools.ts'; const t = await $1({ make: false }); if (t.is !== 'there') { console.error(t.why); process.exit(1); } console.log(t.path);"; }
VERSITY=$(tool s3Program) || exit 2
SITE=$("$(tool testPython)" -c 'import boto3, os; print(os.path.dirname(os.path.dirname(boto3.__file__)))') || exit 2
TRAINER=train_stdlib.py STEPS=1500
[ -d "$SITE/torch" ] && TRAINER=train_pytorch.py STEPS=400
A=${TB_NODE_PREFIX}-a B=${TB_NODE_PREFIX}-b C=${TB_NODE_PREFIX}-c OWN=${TB_NODE_PREFIX}-a4
S3=http://$TB_NET.1:9876

spec() { # spec TRAINER STEPS: of a pod that trains
  cat <<Y
restartPolicy: Never
terminationGracePeriodSeconds: 120
initContainers:
  - { name: sdk, image: "$IMAGE", command: [/usr/local/bin/node, -e, "require('fs').cpSync('/opt/nerve/python', '/nerve', { recursive: true })"], volumeMounts: [{ name: sdk, mountPath: /nerve }] }
containers:
  - name: train
    image: testbed.local/python:1
    imagePullPolicy: Never
    command: [python3, /examples/$1, --steps, "$2"]
    env: [{ name: PYTHONPATH, value: "/nerve:/site" }, { name: PYTHONUNBUFFERED, value: "1" }, { name: OMP_NUM_THREADS, value: "1" }]
    envFrom: [{ secretRef: { name: s3 } }]
    resources: { requests: { cpu: 100m, memory: 64Mi } }
    volumeMounts: [{ name: sdk, mountPath: /nerve, readOnly: true }, { name: site, mountPath: /site, readOnly: true }, { name: examples, mountPath: /examples, readOnly: true }]
volumes:
  - { name: sdk, emptyDir: {} }
  - { name: site, hostPath: { path: "$SITE" } }
  - { name: examples, hostPath: { path: "$PWD/examples" } }
Y
}
indent() { local pad; pad=$(printf "%$1s" ''); sed "s/^/$pad/"; }
plain() { # plain NAME TRAINER STEPS: nobody interrupts it, and it is not Nerve's
  { printf 'apiVersion: v1\nkind: Pod\nmetadata: { name: %s }\nspec:\n  nodeName: %s\n' "$1" "$C"; spec "$2" "$3" | indent 2; } | k create -f - >/dev/null
}
submitted() { # submitted NAME TRAINER STEPS: a job file of the user's, through the CLI
  { printf 'name: %s\nduration: 3m\ncheckpoint-uri: s3://checkpoints/%s\noptimize: cost\ntemplate:\n  spec:\n' "$1" "$1"; spec "$2" "$3" | indent 4; } >"$WORK/job.yaml"
  nerve submit -f "$WORK/job.yaml" --deadline +6h --target cluster --json >"$WORK/submit.json" 2>"$WORK/submit.err" || { cat "$WORK/submit.err"; return 1; }
  JOB=$(json jobId "$WORK/submit.json") && [ -n "$JOB" ]
}
their_job() { # somebody's Job, with the label
  local due; due=$(date -u -d '+6 hours' +%Y-%m-%dT%H:%M:%SZ)
  {
    cat <<Y
apiVersion: batch/v1
kind: Job
metadata: { name: nightly }
spec:
  backoffLimit: 6
  template:
    metadata:
      labels: { nerve.io/tier: async }
      annotations: { nerve.io/deadline: "$due", nerve.io/expected-duration: 3m, nerve.io/optimize: cost, nerve.io/checkpoint-uri: "s3://checkpoints/nightly" }
    spec:
Y
    spec train_stdlib.py 1500 | indent 6
  } | k create -f - >/dev/null
}
json() { node -p "JSON.parse(require('fs').readFileSync('$2', 'utf8')).$1"; }
of_job() { k get pods -l "nerve.io/job-id=$JOB" --sort-by=.metadata.creationTimestamp -o "jsonpath={.items[*].$1}"; }
of_nightly() { k get pods -l job-name=nightly --sort-by=.metadata.creationTimestamp -o "jsonpath={.items[*].$1}"; }
trains() { [ "$(k logs "$1" -c train 2>/dev/null | grep -c '^step')" -ge 3 ]; }
resumes() { k logs "$1" -c train 2>/dev/null | grep -q '^resumed at'; }
succeeded() { [ "$(phase "$1")" = Succeeded ]; }
second() { SECOND=$(of_job metadata.name | tr ' ' '\n' | grep -vx "$FIRST" | tail -1); [ -n "$SECOND" ]; }
second_of_theirs() { THEIR_SECOND=$(of_nightly metadata.name | tr ' ' '\n' | grep -vx "$THEIRS" | tail -1); [ -n "$THEIR_SECOND" ]; }
cordoned() { [ "$(k get node "$1" -o 'jsonpath={.spec.unschedulable} {.metadata.annotations.nerve\.io/cordoned-by}')" = "true nerve" ]; }
final_hash() { k logs "$1" -c train | sed -n 's/^final weights sha256 //p'; }
resumed_step() { k logs "$1" -c train | sed -n 's/^resumed at step \([0-9]*\) .*/\1/p'; }
# sealed_step PREFIX: the step of the final seal, from S3
sealed_step() { python3 - "$WORK/seals/checkpoints/$1/seal" <<'P'
import json, pathlib, sys
seals = [json.loads(p.read_text()) for p in sorted(pathlib.Path(sys.argv[1]).glob("*.json"))]
print([s["step"] for s in seals if s["type"] == "checkpoint" and s["final"]][0])
P
}
# stamped PATTERN: when the watch of the pods first said so
stamped() { grep -m1 -E "$1" "$WORK/watch" | cut -d' ' -f1; }
# agent_said NODE PATTERN: when its agent said so first, in seconds
agent_said() {
  k logs -n nerve "$(k get pod -n nerve -l app.kubernetes.io/component=agent --field-selector "spec.nodeName=$1" -o 'jsonpath={.items[0].metadata.name}')" |
    grep -m1 -E "$2" | sed -E 's/.*"time":([0-9]+)([0-9]{3}).*/\1.\2/'
}

# shown NODE: prints when the metadata service of that node first showed a notice (it is restarted for it, which takes its time)
shown() {
  nsenter "--net=/run/netns/tb-$1" python3 -c '
import time, urllib.request as u
ask = lambda path, **more: u.urlopen(u.Request("http://169.254.169.254/latest/" + path, **more), timeout=1).read().decode()
end = time.time() + 30
while time.time() < end:
    try:
        token = ask("api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        ask("meta-data/spot/instance-action", headers={"X-aws-ec2-metadata-token": token})
        break
    except OSError:
        time.sleep(0.02)
print(f"{time.time():.3f}")'
}

start_bed python
k label node "$OWN" karpenter.sh/capacity-type=on-demand --overwrite >/dev/null
mkdir -p "$WORK/seals/checkpoints" "$WORK/meta"
KEY=$(openssl rand -hex 10) SECRET=$(openssl rand -hex 20)
env ROOT_ACCESS_KEY="$KEY" ROOT_SECRET_KEY="$SECRET" "$VERSITY" --port "$TB_NET.1:9876" --region eu-west-3 --quiet posix --sidecar "$WORK/meta" "$WORK/seals" >"$WORK/s3.log" 2>&1 & CHILDREN+=($!)
export AWS_ENDPOINT_URL=$S3 AWS_ACCESS_KEY_ID=$KEY AWS_SECRET_ACCESS_KEY=$SECRET AWS_REGION=eu-west-3
k create secret generic s3 --from-literal=AWS_ENDPOINT_URL="$S3" --from-literal=AWS_ACCESS_KEY_ID="$KEY" --from-literal=AWS_SECRET_ACCESS_KEY="$SECRET" --from-literal=AWS_REGION=eu-west-3 >/dev/null
cat >"$WORK/prices.yaml" <<Y
region: eu-west-3
source: made up for this test
readAt: $(date -u +%Y-%m-%dT%H:%M:%SZ)
prices:
  - { instanceType: p5.48xlarge, onDemandUsdPerHour: 4, spotUsdPerHour: { eu-west-3a: 1.0, eu-west-3b: 1.2, eu-west-3c: 1.4 } }
Y
plain reference $TRAINER $STEPS
plain reference-of-theirs train_stdlib.py 1500
check "helm installs the chart" install --set-file "prices=$WORK/prices.yaml"
check "worker, webhook, agent and Redis run as its pods" installed
check "the worker beats" until_true 60 beating
check "the uninterrupted runs end" until_true 420 succeeded reference
check "(and the Job's)" until_true 420 succeeded reference-of-theirs
note "$TRAINER, $STEPS steps: $(final_hash reference)"

(k get pods -w --output-watch-events -o 'custom-columns=E:.type,NAME:.object.metadata.name,JOB:.object.metadata.labels.job-name,DEL:.object.metadata.deletionTimestamp,NODE:.object.spec.nodeName' 2>/dev/null |
  python3 -uc 'import sys, time
for line in sys.stdin: print(f"{time.time():.3f} {line}", end="", flush=True)' >"$WORK/watch") & CHILDREN+=($!)
check "nerve submit takes the job" submitted train $TRAINER $STEPS
check "a labelled Job is created" their_job
FIRST=$(of_job metadata.name) THEIRS=$(of_nightly metadata.name)
check "the job trains" until_true 90 trains "$FIRST"
check "and the pod of the Job" until_true 90 trains "$THEIRS"
check "both in zone a" [ "$(of_job spec.nodeName) $(of_nightly spec.nodeName)" = "$A $A" ]

shown "$A" >"$WORK/shown" & SHOWN=$!
"$BED/spot-notice.sh" "$A" on
wait "$SHOWN"; noticed=$(cat "$WORK/shown")
check "a replacement is created" until_true 60 second
check "and one by the Job controller" until_true 90 second_of_theirs
check "the node is cordoned, by Nerve" until_true 10 cordoned "$A"
check "both replacements resume" until_true 90 resumes "$SECOND"
check "(the Job's)" until_true 90 resumes "$THEIR_SECOND"
hook=$(since "$noticed" "$(agent_said "$A" 'asking for a final checkpoint')")
sealed=$(since "$noticed" "$(agent_said "$A" '"msg":"sealed"')")
created=$(since "$noticed" "$(stamped "ADDED +$SECOND ")")
evicted=$(stamped "MODIFIED +$THEIRS +nightly +2")
recreated=$(since "$evicted" "$(stamped "ADDED +$THEIR_SECOND ")")
note "notice to hook $hook s, to seal $sealed s, to the replacement $created s; a Job's pod $recreated s after its eviction ($(since "$noticed" "$evicted") s)"
check "notice to hook < 3 s" below "$hook" 3
check "notice to the replacement < 5 s" below "$created" 5
check "a Job's replacement < 15 s after the eviction" below "$recreated" 15
check "the replacement is in zone b or c" grep -qE "^($B|$C)$" <<<"$(k get pod "$SECOND" -o 'jsonpath={.spec.nodeName}')"
check "and the Job's" grep -qE "^($B|$C)$" <<<"$(k get pod "$THEIR_SECOND" -o 'jsonpath={.spec.nodeName}')"
check "it resumes at the step that was sealed in S3" [ "$(resumed_step "$SECOND")" = "$(sealed_step train)" ]
check "and the Job's" [ "$(resumed_step "$THEIR_SECOND")" = "$(sealed_step nightly)" ]
note "resumed at step $(resumed_step "$SECOND") of $STEPS, and at $(resumed_step "$THEIR_SECOND") of 1500"
check "nerve checkpoints lists the log" sh -c "node src/cli.ts checkpoints s3://checkpoints/train | grep -q final"
check "the job ends" until_true 420 succeeded "$SECOND"
check "with the weights of the uninterrupted run" [ "$(final_hash "$SECOND")" = "$(final_hash reference)" ]
check "the Job ends" until_true 420 succeeded "$THEIR_SECOND"
check "with the weights of its own" [ "$(final_hash "$THEIR_SECOND")" = "$(final_hash reference-of-theirs)" ]
check "and Kubernetes calls it complete" until_true 30 k wait job/nightly --for=condition=Complete --timeout=1s

# No cloud asks for anything here: its user wants to see a move.
drilled() { nerve drill "$JOB" --move --target cluster --json >"$WORK/drill.json" 2>"$WORK/drill.err" || { cat "$WORK/drill.json" "$WORK/drill.err"; return 1; }; }
check "nerve submit takes another job" submitted drill train_stdlib.py 6000
FIRST=$(of_job metadata.name)
check "it trains" until_true 90 trains "$FIRST"
sleep 5
check "nerve drill --move passes" drilled
note "$(tr -d '\n' <"$WORK/drill.json" | tr -s ' ')"
second
check "its checkpoint took less than a notice" below "$(json checkpointMs "$WORK/drill.json")" 120000
check "its node is in the zone that the report names" [ "$(k get node "$(k get pod "$SECOND" -o 'jsonpath={.spec.nodeName}')" -o 'jsonpath={.metadata.labels.topology\.kubernetes\.io/zone}')" = "$(json toZone "$WORK/drill.json")" ]
check "no node was cordoned for it" [ "$(k get nodes -o 'jsonpath={.items[?(@.spec.unschedulable==true)].metadata.name}')" = "$A" ]
check "and the job goes on to its end" until_true 420 succeeded "$SECOND"
nerve explain "$JOB" --target cluster >"$WORK/explain" 2>&1; indent 8 <"$WORK/explain"

# A kubelet dies; what it had started goes on, and nobody will ever end it. The network of its node is there, so the storage is, too.
. "$BED/lib.sh"
training() { pgrep -fc "^python3 /examples/train_stdlib.py --steps $LONG"; }
trainings() { [ "$(training)" = "$1" ]; }
not_ready() { [ "$(k get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = Unknown ]; }
gone() { ! k get pod "$1"; }
LONG=200000
# Zone a has no machine any more, and nobody wants it back: waiting for what is cheaper would be no fault.
sed -i 's/spotUsdPerHour: .*/spotUsdPerHour: { eu-west-3a: 3.0, eu-west-3b: 1.0, eu-west-3c: 1.0 } }/' "$WORK/prices.yaml"
check "helm takes other prices" install --set-file "prices=$WORK/prices.yaml"
check "and Nerve runs with them" installed
check "nerve submit takes a long job" submitted silent train_stdlib.py $LONG
FIRST=$(of_job metadata.name)
check "it trains" until_true 90 trains "$FIRST"
NODE=$(of_job spec.nodeName)
sealed_once() { [ -n "$(annotation "$FIRST" last-checkpoint)" ]; }
check "and seals a first checkpoint" until_true 150 sealed_once
kill -KILL "$(cut -d' ' -f1 <"$PIDS/kubelet-$NODE")"; dead=$(now)
check "its kubelet is dead, and its node not heard of" until_true 120 not_ready "$NODE"
note "after $(since "$dead") s; $(training) process trains"
check "a replacement is created within 4 min" until_true 240 second
note "$(since "$dead") s after the kubelet died"
check "the old pod is gone" until_true 60 gone "$FIRST"
check "the replacement trains" until_true 90 trains "$SECOND"
check "on another node" [ "$(k get pod "$SECOND" -o 'jsonpath={.spec.nodeName}')" != "$NODE" ]
check "from a checkpoint" [ "$(resumed_step "$SECOND")" -gt 0 ]
note "resumed at step $(resumed_step "$SECOND"); $(training) processes train"
check "the process that nobody could end ends itself at its next checkpoint" until_true 400 trainings 1
note "$(since "$dead") s after the kubelet died"
check "nerve cancel ends the job" nerve cancel "$JOB" --target cluster
[ "$FAILED" = 0 ]
