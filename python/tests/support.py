"""What several tests need: the SDK on the path, a store in memory, every interleaving, and trainers as real processes."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

PYTHON = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLES = os.path.join(os.path.dirname(PYTHON), "examples")
sys.path.insert(0, PYTHON)

from nerve_checkpoint.storage import HashingWriter  # noqa: E402

TOKEN = "a-token-for-tests"
REAL_S3 = os.environ.get("NERVE_TEST_S3_URI")

needs_s3 = unittest.skipUnless(REAL_S3 and importlib.util.find_spec("boto3"), "needs boto3 and NERVE_TEST_S3_URI (with AWS_ENDPOINT_URL for a local one)")
needs_numpy = unittest.skipUnless(importlib.util.find_spec("numpy"), "NumPy is not installed")
needs_torch = unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed")


class MemoryStore:
    """A store of one dict, with the same steps in `create` as the folder's."""

    place, poll_seconds, watch_seconds, readers = "memory", 0.0, 1.0, 1

    def __init__(self):
        self.files = {}

    def names(self, folder):
        prefix = folder + "/"
        return sorted({name[len(prefix) :].split("/")[0] for name in self.files if name.startswith(prefix)})

    def read(self, name, limit):
        data = self.files.get(name)
        return None if data is None else data[: limit + 1]

    def create(self, name, data):
        yield  # the temporary file stands
        created = name not in self.files
        if created:
            self.files[name] = data
        yield  # linked
        return created


class CheckThenWriteStore(MemoryStore):
    """The planted fault: looks whether the name is free, and writes it a moment later."""

    def create(self, name, data):
        taken = name in self.files
        yield
        if taken:
            return False
        self.files[name] = data
        yield
        return True


def every_interleaving(make):
    """Runs `make()` (answering a list of generators and a check) once for each order in which the generators' steps can be mixed."""
    pending, count = [[]], 0
    while pending:
        trace = pending.pop()
        writers, check = make()
        alive = dict(enumerate(writers))
        for chosen in trace:
            _advance(alive, chosen)
        while alive:
            first, *others = alive
            pending += [trace + [other] for other in others]
            trace = trace + [first]
            _advance(alive, first)
        check(trace)
        count += 1
    return count


def _advance(alive, chosen):
    try:
        next(alive[chosen])
    except StopIteration:
        del alive[chosen]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def instant(seconds_from_now):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds_from_now)).isoformat()


def call(port, path, body=None, token=TOKEN):
    """Status and JSON of one call to a hook."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", None if body is None else json.dumps(body).encode())
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def seals(folder):
    """The entries of the log; what a writer was just preparing beside them is none."""
    place = os.path.join(folder, "seal")
    found = []
    for name in sorted(name for name in (os.listdir(place) if os.path.isdir(place) else []) if not name.startswith(".")):
        with open(os.path.join(place, name), encoding="utf-8") as file:
            found.append(json.load(file))
    return found


def tree(folder):
    """Every file below a folder with its content: equal trees mean nothing was changed."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(base, name), "rb") as file:
                found[os.path.join(base, name)] = file.read()
    return found


class Trainer:
    """One attempt of a trainer of examples/ as a real process, with its hook. `place` is a folder or a URI."""

    def __init__(self, place, attempt=1, steps=200, limit_files=None, script="train_stdlib.py", more=(), **env):
        self.port = free_port()
        nerve = {
            "NERVE_JOB_ID": "j-test", "NERVE_ATTEMPT": str(attempt), "NERVE_CHECKPOINT_URI": place if "://" in place else "file://" + place,
            "NERVE_HOOK_PORT": str(self.port), "NERVE_HOOK_TOKEN": TOKEN, **env,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NERVE_")}
        text = os.path.join(EXAMPLES, "train_stdlib.py")  # any that stays the same
        self.lines = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(EXAMPLES, script), "--steps", str(steps), "--text", text, *more], env={**clean, **nerve}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit_files,
        )
        self._readers = [threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in (self.process.stdout, self.process.stderr)]
        for reader in self._readers:
            reader.start()

    def _read(self, stream):
        for line in stream:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def line(self, part, seconds=30):
        """Waits for a line of output that contains `part`."""
        end = time.monotonic() + seconds
        with self._news:
            while True:
                for line in self.lines:
                    if part in line:
                        return line
                if time.monotonic() > end or not any(reader.is_alive() for reader in self._readers):
                    raise AssertionError(f"no line with {part!r} in {self.lines}")
                self._news.wait(0.1)

    def progress(self):
        return call(self.port, "/v1/progress")[1]

    def checkpoint(self, reason, seconds=20):
        return call(self.port, "/v1/checkpoint", {"reason": reason, "deadline": instant(seconds)})

    def reach(self, step, seconds=30):
        def reached():
            try:
                return self.progress()["step"] >= step
            except OSError:  # the hook does not listen yet
                return False

        self.until(reached, seconds)

    def until(self, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"it never came true: {self.lines}")
            time.sleep(0.02)

    def end(self, seconds=60):
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return code

    def term(self):
        self.process.send_signal(signal.SIGTERM)

    def pause(self):
        """Stops it where it stands, so that a test does not race with its end."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        self.process.stdout.close()
        self.process.stderr.close()

    def hash(self):
        return self.line("final weights sha256").split()[-1]


__all__ = [
    "CheckThenWriteStore", "EXAMPLES", "HashingWriter", "MemoryStore", "PYTHON", "REAL_S3", "TOKEN", "Trainer", "call", "every_interleaving", "free_port", "instant",
    "needs_numpy", "needs_s3", "needs_torch", "seals", "tree",
]
