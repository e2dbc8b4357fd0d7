"""Finds the newest good checkpoint and puts it back. A corrupt or half-written one is passed over, aloud."""

from __future__ import annotations

import hashlib
from typing import Any, BinaryIO, Dict, Optional, Set, Tuple

from .codec import decode
from .entries import CheckpointEntry, FileEntry, Unreadable, seal_id
from .errors import CheckpointError, say
from .log import SealLog
from .storage import Store


class _Corrupt(Exception):
    pass


def load_newest(store: Store, log: SealLog) -> Tuple[Optional[CheckpointEntry], Any, Set[int]]:
    """The entry used and its state (None, None: from the beginning), and the numbers of bad ones."""
    bad: Set[int] = set()
    notes = []
    for entry in reversed(log.entries):
        if isinstance(entry, Unreadable):
            notes.append(f"seal {seal_id(entry.number)} cannot be used ({entry.why})")
        if not isinstance(entry, CheckpointEntry):
            continue
        try:
            tree = _load(store, entry)
        except _Corrupt as error:
            bad.add(entry.number)
            notes.append(f"checkpoint {seal_id(entry.number)} (step {entry.step}) cannot be used: {error}")
            continue
        _tell(notes, f"using checkpoint {seal_id(entry.number)} (step {entry.step}) instead")
        return entry, tree, bad
    _tell(notes, "no good checkpoint is left: starting at step 0")
    return None, None, bad


def _tell(notes: Any, outcome: str) -> None:
    for note in notes:
        say(note)
    if notes:
        say(outcome)


def _load(store: Store, entry: CheckpointEntry) -> Any:
    opened: Dict[str, BinaryIO] = {}
    try:
        for file in entry.files:
            opened[file.name] = _verified(store, entry, file)
        try:
            return decode(lambda name: opened[name], list(opened))
        except CheckpointError:
            raise
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            # The checksums hold, so these are the bytes that were sealed: written by something else, or by a fault of its writer.
            raise _Corrupt(f"its content is not understood ({type(error).__name__}: {error})") from error
    finally:
        for handle in opened.values():
            handle.close()


def _verified(store: Store, entry: CheckpointEntry, file: FileEntry) -> BinaryIO:
    """The open file whose bytes were checked: what is loaded is what was hashed, whatever happens to the name."""
    handle = store.open(f"{entry.data}/{file.name}")
    if handle is None:
        raise _Corrupt(f"{file.name} is missing (or is no plain file)")
    digest, size = hashlib.sha256(), 0
    while True:
        piece = handle.read(1 << 20)
        if not piece:
            break
        size += len(piece)
        if size > file.bytes:
            break
        digest.update(piece)
    if size != file.bytes or digest.hexdigest() != file.sha256:
        handle.close()
        raise _Corrupt(f"{file.name} is not what was sealed ({'at least ' if size > file.bytes else ''}{size} bytes, expected {file.bytes})" if size != file.bytes else f"the checksum of {file.name} is wrong")
    handle.seek(0)
    return handle
