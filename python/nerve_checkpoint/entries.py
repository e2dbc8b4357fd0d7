"""What a seal says. Entries come from an untrusted place: one that is not exactly as expected is `Unreadable`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple, Union

FORMAT = 1
MAX_ENTRY_BYTES = 1 << 20
MAX_FILES = 1000
MAX_FILE_BYTES = 1 << 40
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,7}")
_DATA = re.compile(r"data/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FileEntry:
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class CheckpointEntry:
    number: int
    nonce: str
    job: Optional[str]
    attempt: int
    epoch: int
    step: int
    total_steps: Optional[int]
    final: bool
    completed: bool
    data: str
    files: Tuple[FileEntry, ...]
    duration_ms: int

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class ResumeEntry:
    number: int
    nonce: str
    job: Optional[str]
    attempt: int
    epoch: int


@dataclass(frozen=True)
class Unreadable:
    number: int
    why: str


Entry = Union[CheckpointEntry, ResumeEntry, Unreadable]


def seal_id(number: int) -> str:
    return f"{number:010d}"


def parse_entry(number: int, data: Optional[bytes]) -> Entry:
    if data is None:
        return Unreadable(number, "the seal is not a plain file")
    if len(data) > MAX_ENTRY_BYTES:
        return Unreadable(number, f"the seal is larger than {MAX_ENTRY_BYTES} bytes")
    try:
        return _parse(number, json.loads(data))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return Unreadable(number, f"the seal is not valid ({error})")


def _parse(number: int, raw: Any) -> Entry:
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ValueError(f"no JSON object of format {FORMAT}")
    job = raw.get("job")
    if not (job is None or isinstance(job, str)):
        raise ValueError("job is no text")
    attempt, epoch = _whole(raw, "attempt", 1), _whole(raw, "epoch", 1)
    nonce = str(raw.get("nonce", ""))
    if raw.get("type") == "resume":
        return ResumeEntry(number, nonce, job, attempt, epoch)
    if raw.get("type") != "checkpoint":
        raise ValueError(f"unknown type {raw.get('type')!r}")
    total = None if raw.get("totalSteps") is None else _whole(raw, "totalSteps", 0)
    data = raw.get("data")
    if not isinstance(data, str) or _DATA.fullmatch(data) is None:
        raise ValueError(f"refused data folder {data!r}")
    return CheckpointEntry(
        number, nonce, job, attempt, epoch, _whole(raw, "step", 0), total,
        raw.get("final") is True, raw.get("completed") is True, data, _files(raw.get("files")), _whole(raw, "durationMs", 0),
    )


def _files(raw: Any) -> Tuple[FileEntry, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_FILES:
        raise ValueError("no list of files, or too many")
    files = tuple(_file(item) for item in raw)
    if len({file.name for file in files}) != len(files):
        raise ValueError("a file is named twice")
    return files


def _file(raw: Any) -> FileEntry:
    name, sha256 = raw["name"], raw["sha256"]
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ValueError(f"refused file name {name!r}")
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        raise ValueError(f"no SHA-256 for {name}")
    size = _whole(raw, "bytes", 0)
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{name} claims {size} bytes")
    return FileEntry(name, size, sha256)


def _whole(raw: Dict[str, Any], name: str, least: int) -> int:
    value = raw[name]
    if type(value) is not int or not least <= value < 1 << 53:
        raise ValueError(f"{name} is {value!r}")
    return value
