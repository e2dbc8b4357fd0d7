"""Errors say what failed, why, and what to do next. `Superseded` and `Cancelled` never reach the user's code."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from typing import Dict, Iterator

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class CheckpointError(Exception):
    def __init__(self, what: str, why: str, next_step: str) -> None:
        super().__init__(f"{what}: {why}. {next_step}")
        self.what = what
        self.why = why
        self.next_step = next_step

    def as_json(self) -> Dict[str, str]:
        return {"what": self.what, "why": self.why, "next": self.next_step}


class StorageError(CheckpointError):
    """The checkpoint folder or bucket cannot be read or written right now. `full`: for lack of room."""

    full = False


class Superseded(Exception):
    """A newer attempt (or a restart of this one) holds the epoch: this process must stop with exit code 75."""


class Cancelled(Exception):
    """A background save gave way to a final one."""


def say(message: str) -> None:
    """stderr is talk. A closed stderr must not end a training run."""
    try:
        print(f"nerve_checkpoint: {message}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


@contextmanager
def storage_errors(what: str, where: str) -> Iterator[None]:
    """Turns an OSError of the block into a StorageError that names the place and the way out."""
    try:
        yield
    except OSError as error:
        raise _storage_error(error, what, where) from error


def _storage_error(error: OSError, what: str, where: str) -> StorageError:
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        full = StorageError(what, f"{where} is full ({reason})", "Free some space there or choose another folder with NERVE_CHECKPOINT_URI")
        full.full = True
        return full
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT, errno.EEXIST}:
        return StorageError(what, f"{where} cannot be used ({reason})", "Make it a folder this user can write, or choose another with NERVE_CHECKPOINT_URI")
    return StorageError(what, f"{where} failed ({reason})", "Check that disk or mount, or choose another folder with NERVE_CHECKPOINT_URI")
