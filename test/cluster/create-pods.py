"""create-pods.py API SECONDS IMAGE: creates ten labelled pods a second that no node takes, until SECONDS have passed or it is told to end
(SIGTERM), and says what became of them."""
import json
import signal
import sys
import time
import urllib.request
from datetime import datetime, timedelta, timezone

api, seconds, image = sys.argv[1], float(sys.argv[2]), sys.argv[3]
due = (datetime.now(timezone.utc) + timedelta(hours=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
pod = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "generateName": "client-",
        "labels": {"nerve.io/tier": "async"},
        "annotations": {"nerve.io/deadline": due, "nerve.io/expected-duration": "1h"},
    },
    "spec": {"nodeSelector": {"none": "such"}, "restartPolicy": "Never", "containers": [{"name": "main", "image": image}]},
}
counts = {"held": 0, "free": 0, "failed": 0, "slowestSeconds": 0.0}
end = time.monotonic() + seconds
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
while time.monotonic() < end and not told:
    began = time.monotonic()
    body = json.dumps(pod).encode()
    ask = urllib.request.Request(api + "/api/v1/namespaces/default/pods", data=body, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(ask, timeout=10) as answer:
            counts["held" if json.load(answer)["spec"].get("schedulingGates") else "free"] += 1
    except OSError:
        counts["failed"] += 1
    took = time.monotonic() - began
    counts["slowestSeconds"] = round(max(counts["slowestSeconds"], took), 3)
    time.sleep(max(0.0, 0.1 - took))
print(json.dumps(counts))
