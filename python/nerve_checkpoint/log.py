"""The numbered seal log: the one place where writers meet, and what fences an older attempt.

An entry's number is the highest seen + 1, created exclusively, so whoever creates number n has read all entries before n: between
its check ("does anybody hold a higher epoch?") and its write nothing can slip in, or the creation fails and it reads again.
The epoch of a `resume` entry is the entry's own number: it only grows, whatever else is in the log.
"""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional

from .entries import FORMAT, MAX_ENTRY_BYTES, CheckpointEntry, Entry, ResumeEntry, Unreadable, parse_entry, seal_id
from .errors import CheckpointError, Superseded
from .storage import Steps, Store

FOLDER = "seal"
_SEAL = re.compile(r"(\d{10})\.json")


@dataclass(frozen=True)
class Holder:
    """Who may seal: the attempt, and the epoch it took with the resume entry of that number."""

    job: Optional[str]
    attempt: int
    epoch: int


class SealLog:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: Dict[int, Entry] = {}

    @property
    def entries(self) -> List[Entry]:
        known = self._entries.copy()  # at once: another thread may be learning
        return [known[number] for number in sorted(known)]

    @property
    def checkpoints(self) -> List[CheckpointEntry]:
        return [entry for entry in self.entries if isinstance(entry, CheckpointEntry)]

    @property
    def resumes(self) -> List[ResumeEntry]:
        return [entry for entry in self.entries if isinstance(entry, ResumeEntry)]

    def copy(self) -> "SealLog":
        """For a thread of its own: one that hangs in the network then holds up nobody else."""
        other = SealLog(self._store)
        other.learn(self)
        return other

    def learn(self, other: "SealLog") -> None:
        self._entries.update(other._entries.copy())

    def refresh(self) -> Steps[None]:
        """Reads the entries not seen yet; those seen never change."""
        found = (_SEAL.fullmatch(name) for name in self._store.names(FOLDER))
        numbers = sorted(int(match.group(1)) for match in found if match is not None)
        yield  # reading what never changes commutes with every other step, so this is the only place to stop at
        unseen = [number for number in numbers if number not in self._entries]
        if len(unseen) < 2 or self._store.readers < 2:
            self._take_in(unseen, map(self._read, unseen))
        else:
            with ThreadPoolExecutor(self._store.readers, "nerve-log") as pool:
                self._take_in(unseen, pool.map(self._read, unseen))

    def _take_in(self, numbers: List[int], contents: Iterator[Optional[bytes]]) -> None:
        """In order, so that one that cannot be read leaves those before it known."""
        for number, data in zip(numbers, contents):
            self._entries[number] = parse_entry(number, data)

    def _read(self, number: int) -> Optional[bytes]:
        return self._store.read(_path(number), MAX_ENTRY_BYTES)

    def take_epoch(self, job: Optional[str], attempt: Optional[int], ready: Callable[["SealLog"], bool]) -> Steps[Optional[Holder]]:
        """Appends a resume entry, which fences every older holder; None while `ready` refuses."""
        while True:
            yield from self.refresh()
            mine = check_attempt(self, job, attempt)
            if not ready(self):
                return None
            number = self._next()
            body = {"type": "resume", "job": job, "attempt": mine, "epoch": number}
            if (yield from self._create(number, body)):
                return Holder(job, mine, number)

    def seal(self, holder: Holder, body: Dict[str, Any], check: Callable[[], None] = lambda: None) -> Steps[int]:
        """Appends a checkpoint entry and answers its number, or raises Superseded, or what `check` raises to give it up.

        `check` comes after each look at the log: whoever gives this up and seals after that is either seen, or takes the number first.
        """
        while True:
            yield from self.refresh()
            check_fence(self, holder)
            check()
            number = self._next()
            whole = {"type": "checkpoint", "job": holder.job, "attempt": holder.attempt, "epoch": holder.epoch, **body}
            if (yield from self._create(number, whole)):
                return number

    def reads_back(self, number: int) -> bool:
        """Whether the seal stands in the store just as this process wrote it."""
        return parse_entry(number, self._read(number)) == self._entries.get(number)

    def _next(self) -> int:
        return max(self._entries, default=0) + 1

    def _create(self, number: int, body: Dict[str, Any]) -> Steps[bool]:
        nonce = uuid.uuid4().hex
        data = json.dumps({"format": FORMAT, "nonce": nonce, **body}).encode()
        created = yield from self._store.create(_path(number), data)
        if not created:
            # A request that was retried below us may have been first itself.
            there = parse_entry(number, self._read(number))
            created = not isinstance(there, Unreadable) and there.nonce == nonce
        if created:
            self._entries[number] = parse_entry(number, data)
        return created


def check_attempt(log: SealLog, job: Optional[str], attempt: Optional[int]) -> int:
    """The attempt to act as (outside Nerve: the newest there was), or Superseded if a newer one has resumed."""
    newest = max((entry.attempt for entry in log.resumes), default=1)
    other = next((entry.job for entry in log.entries if not isinstance(entry, Unreadable) and entry.job not in (None, job)), None)
    if job is not None and other is not None:
        raise CheckpointError("cannot resume", f"the checkpoint folder belongs to job {other}, this is {job}", "Give each job a checkpoint folder of its own")
    if attempt is not None and attempt < newest:
        raise Superseded(f"attempt {newest} has already resumed, this is attempt {attempt}")
    return newest if attempt is None else attempt


def check_fence(log: SealLog, holder: Holder) -> None:
    for entry in log.entries:
        if isinstance(entry, ResumeEntry) and entry.epoch > holder.epoch:
            raise Superseded(f"attempt {entry.attempt} resumed with epoch {entry.epoch}, this is attempt {holder.attempt} with epoch {holder.epoch}")
        if isinstance(entry, Unreadable) and entry.number > holder.epoch:
            raise Superseded(f"seal {seal_id(entry.number)} by somebody else cannot be read ({entry.why}) and may be a newer attempt's")


def predecessor_is_done(log: SealLog, attempt: int) -> bool:
    """True once the attempt that last resumed has sealed its final checkpoint after that, or was this very attempt."""
    if not log.resumes:
        return False
    last = log.resumes[-1]
    return last.attempt >= attempt or any(entry.final and entry.epoch == last.epoch for entry in log.checkpoints)


def _path(number: int) -> str:
    return f"{FOLDER}/{seal_id(number)}.json"
