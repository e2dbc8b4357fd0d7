"""Writes snapshots and seals them, in the background or at once, and drops what newer seals have made useless.

One save at a time. A final save cancels a background one that has not been sealed yet.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional, Set

from .codec import Snapshot
from .desk import Seal
from .entries import CheckpointEntry
from .errors import Cancelled, CheckpointError, say
from .log import Holder, SealLog
from .storage import Store, run

KEEP_NEWEST = 2
# After this long past the resume point an older attempt is surely gone, and unsealed data of its can go too.
OLDER_GONE_SECONDS = 600.0
_DATA_NAME = re.compile(r"a(\d+)-e(\d+)-s\d+-[0-9a-f]+")


class Saver:
    def __init__(self, store: Store, log: SealLog, holder: Holder, total_steps: Optional[int]) -> None:
        self._store = store
        self._log = log
        self._holder = holder
        self._total_steps = total_steps
        self._started = time.monotonic()
        self._cancel = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self.log_lock = threading.Lock()
        self.known_bad: Set[int] = set()

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Runs `work` (which calls `save`) beside the training."""
        self._thread = threading.Thread(target=work, name="nerve-save", daemon=True)
        self._thread.start()

    def stop_background(self, cancel: bool) -> None:
        if cancel:
            self._cancel.set()
        if self._thread is not None:
            self._thread.join()
        self._cancel.clear()

    def save(self, snapshot: Snapshot, step: int, reason: str, final: bool, completed: bool, began: float) -> Seal:
        data = f"data/a{self._holder.attempt}-e{self._holder.epoch}-s{step}-{uuid.uuid4().hex[:8]}"
        files: List[Dict[str, Any]] = []
        try:
            for name, fill in snapshot.files():
                written = self._store.write(f"{data}/{name}", fill, self._check)
                files.append({"name": name, "bytes": written.bytes, "sha256": written.sha256})
            self._check()
        except (Cancelled, CheckpointError):
            self._forget(data)
            raise
        except Exception as error:
            self._forget(data)
            raise CheckpointError("cannot save the state", f"{type(error).__name__}: {error}", "Check what the script gives as state") from error
        duration_ms = int((time.monotonic() - began) * 1000)
        body = {
            "step": step, "totalSteps": self._total_steps, "final": final, "completed": completed, "reason": reason,
            "data": data, "files": files, "durationMs": duration_ms, "sealedAt": datetime.now(timezone.utc).isoformat(),
        }
        with self.log_lock:
            number = run(self._log.seal(self._holder, body))
        total = sum(int(file["bytes"]) for file in files)
        return Seal(number, step, total, int((time.monotonic() - began) * 1000), final)

    def tidy(self, newest: Seal) -> None:
        """Deletes data that is of no use any more. Never a reason to stop: what cannot be deleted is left."""
        try:
            with self.log_lock:
                if not self._log.reads_back(newest.number):
                    say(f"seal {newest.id} does not read back as written: older checkpoints are kept")
                    return
                checkpoints = self._log.checkpoints
            for name in self._store.names("data"):
                if self._useless(f"data/{name}", checkpoints):
                    self._store.delete_folder(f"data/{name}")
        except CheckpointError as error:
            say(str(error))

    def _useless(self, data: str, checkpoints: List[CheckpointEntry]) -> bool:
        match = _DATA_NAME.fullmatch(data[len("data/") :])
        if match is None:
            return False
        attempt, epoch = int(match.group(1)), int(match.group(2))
        if attempt > self._holder.attempt or epoch > self._holder.epoch:
            return False
        if any(entry.data == data for entry in checkpoints):
            return data not in self._kept(checkpoints)
        older_gone = time.monotonic() - self._started > OLDER_GONE_SECONDS
        return epoch < self._holder.epoch and (attempt == self._holder.attempt or older_gone)

    def _kept(self, checkpoints: List[CheckpointEntry]) -> Set[str]:
        good = [entry for entry in checkpoints if entry.number not in self.known_bad]
        final = [entry for entry in good if entry.final]
        return {entry.data for entry in good[-KEEP_NEWEST:] + final[-1:]}

    def _check(self) -> None:
        if self._cancel.is_set():
            raise Cancelled()

    def _forget(self, data: str) -> None:
        try:
            self._store.delete_folder(data)
        except CheckpointError:
            pass  # the same disk that has just failed; the next attempt's tidy finds it
