"""Writes snapshots and seals them, in the background or at once, and drops what newer seals have made useless.

One save at a time. A final save cancels a background one that has not been sealed yet, and waits only moments for it: storage may
hang. So no lock is held over a storage call, and each save works on a log of its own; the log's numbers put them in order.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional, Set

from .codec import Snapshot
from .desk import Seal
from .entries import CheckpointEntry, seal_id
from .errors import Cancelled, CheckpointError, StorageError, say
from .log import Holder, SealLog
from .storage import Store, T, run

KEEP_NEWEST = 2
# After this long past the resume point an older attempt is surely gone, and unsealed data of its can go too.
OLDER_GONE_SECONDS = 600.0
# What a final save waits for a background one that it has cancelled.
GIVE_UP_SECONDS = 5.0
# What anything waits for the deletion of old data.
TIDY_SECONDS = 5.0
_DATA_NAME = re.compile(r"a(\d+)-e(\d+)-s\d+-[0-9a-f]+")


def _go_on() -> None:
    """The check of a save that nobody gives up."""


@dataclass(frozen=True)
class Data:
    """What was written, and means nothing until it is sealed."""

    folder: str
    files: List[Dict[str, Any]]


class Saver:
    def __init__(self, store: Store, log: SealLog, holder: Holder, total_steps: Optional[int]) -> None:
        self._store = store
        self._log = log
        self._holder = holder
        self._total_steps = total_steps
        self._started = time.monotonic()
        self._cancelled = threading.Event()  # of the newest background save; each has its own, so that one given up stays so
        self._over = threading.Event()
        self._over.set()
        self._tidying = threading.Lock()
        self.known_bad: Set[int] = set()

    @property
    def busy(self) -> bool:
        return not self._over.is_set()

    def start(self, work: Callable[[Callable[[], None]], None]) -> None:
        """Runs `work` beside the training; the check that it is handed is for `save`."""
        cancelled, over = threading.Event(), threading.Event()

        def check() -> None:
            if cancelled.is_set():
                raise Cancelled()

        def run_work() -> None:
            try:
                work(check)
            finally:
                over.set()

        self._cancelled, self._over = cancelled, over
        threading.Thread(target=run_work, name="nerve-save", daemon=True).start()

    def wait_for_background(self) -> None:
        if not self._cancelled.is_set():  # else it seals nothing any more
            self._over.wait()

    def give_up_background(self) -> None:
        """It seals nothing that this thread has not seen or will see in its way, however late it wakes up."""
        self._cancelled.set()
        self._over.wait(GIVE_UP_SECONDS)

    def save(self, snapshot: Snapshot, step: int, reason: str, final: bool, completed: bool, began: float, check: Callable[[], None] = _go_on) -> Seal:
        """Writes and seals. Raises CheckpointError (StorageError if trying again may help), Superseded, or what `check` raises."""
        try:
            return self.seal(self.write(snapshot, step, check), step, reason, final, completed, began, check)
        except CheckpointError:
            check()  # given up meanwhile: nobody waits for this error
            raise

    def write(self, snapshot: Snapshot, step: int, check: Callable[[], None] = _go_on) -> Data:
        return self._with_room(lambda: self._write(snapshot, step, check))

    def _write(self, snapshot: Snapshot, step: int, check: Callable[[], None]) -> Data:
        folder = f"data/a{self._holder.attempt}-e{self._holder.epoch}-s{step}-{uuid.uuid4().hex[:8]}"
        files: List[Dict[str, Any]] = []
        try:
            for name, fill in snapshot.files():
                written = self._store.write(f"{folder}/{name}", fill, check)
                files.append({"name": name, "bytes": written.bytes, "sha256": written.sha256})
        except (Cancelled, CheckpointError):
            self._forget(folder)
            raise
        except Exception as error:
            self._forget(folder)
            raise CheckpointError("cannot save the state", f"{type(error).__name__}: {error}", "Check what the script gives as state") from error
        return Data(folder, files)

    def seal(self, data: Data, step: int, reason: str, final: bool, completed: bool, began: float, check: Callable[[], None] = _go_on) -> Seal:
        """May be called again with the same data after a StorageError: if the first seal stands after all, both mean the same."""
        duration_ms = int((time.monotonic() - began) * 1000)
        body = {
            "step": step, "totalSteps": self._total_steps, "final": final, "completed": completed, "reason": reason,
            "data": data.folder, "files": data.files, "durationMs": duration_ms, "sealedAt": datetime.now(timezone.utc).isoformat(),
        }
        log = self._log.copy()
        try:
            number = self._with_room(lambda: run(log.seal(self._holder, body, check)))
        except Cancelled:
            self._forget(data.folder)
            raise
        self._log.learn(log)
        total = sum(int(file["bytes"]) for file in data.files)
        return Seal(number, step, total, int((time.monotonic() - began) * 1000), final)

    def _with_room(self, act: Callable[[], T]) -> T:
        """A full disk would stay full if useless data went only after the next good save: it goes now, and `act` gets another try."""
        try:
            return act()
        except StorageError as error:
            newest = self._newest_good()
            if not error.full or newest is None:
                raise
            self._tidy(newest)
        return act()

    def _newest_good(self) -> Optional[int]:
        return next((entry.number for entry in reversed(self._log.checkpoints) if entry.number not in self.known_bad), None)

    def tidy_beside(self, newest: Seal) -> threading.Thread:
        thread = threading.Thread(target=self.tidy, args=(newest,), name="nerve-tidy", daemon=True)
        thread.start()
        return thread

    def tidy(self, newest: Seal) -> None:
        self._tidy(newest.number)

    def _tidy(self, newest: int) -> None:
        """Deletes data that is of no use any more. Never a reason to stop: what cannot be deleted is left."""
        if not self._tidying.acquire(timeout=TIDY_SECONDS):
            return  # another one hangs; the next does the work of both
        try:
            if not self._log.reads_back(newest):
                say(f"seal {seal_id(newest)} does not read back as written: older checkpoints are kept")
                return
            checkpoints = self._log.checkpoints
            for name in self._store.names("data"):
                if self._useless(f"data/{name}", checkpoints):
                    self._store.delete_folder(f"data/{name}")
        except CheckpointError as error:
            say(str(error))
        finally:
            self._tidying.release()

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

    def _forget(self, data: str) -> None:
        try:
            self._store.delete_folder(data)
        except CheckpointError:
            pass  # the same disk that has just failed; the next attempt's tidy finds it
