"""The environment of an attempt (NERVE_*), read once. Without any of it the SDK works on a local folder, with no server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Mapping, Optional

from .errors import CheckpointError

DEFAULT_FOLDER = "checkpoints"
# What a replacement waits for a predecessor when nobody said how long: the length of a spot notice.
DEFAULT_WAIT_SECONDS = 120.0
_RFC3339 = re.compile(r"^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$")


@dataclass(frozen=True)
class Settings:
    uri: str
    job_id: Optional[str]
    attempt: Optional[int]
    deadline: Optional[datetime]
    hook_host: str
    hook_port: Optional[int]
    hook_token: Optional[str]
    previous_attempt: Optional[int]
    wait_sealed_until: Optional[datetime]
    checkpoint_every_seconds: Optional[float]


def read_settings(uri: Optional[str] = None, env: Mapping[str, str] = os.environ) -> Settings:
    several = env.get("WORLD_SIZE", "1").strip()
    if several not in ("", "1"):
        raise CheckpointError("cannot start", f"WORLD_SIZE is {several}, and one process per job is all this version knows", "Run one process, or save through your framework on SIGTERM")
    previous = _whole(env, "NERVE_PREVIOUS_ATTEMPT", 1)
    until = _instant(env, "NERVE_WAIT_SEALED_UNTIL")
    if previous is not None and until is None:
        until = datetime.now(timezone.utc) + timedelta(seconds=DEFAULT_WAIT_SECONDS)
    return Settings(
        uri=uri or _text(env, "NERVE_CHECKPOINT_URI") or os.path.abspath(DEFAULT_FOLDER),
        job_id=_text(env, "NERVE_JOB_ID"),
        attempt=_whole(env, "NERVE_ATTEMPT", 1),
        deadline=_instant(env, "NERVE_DEADLINE"),
        hook_host=_text(env, "NERVE_HOOK_HOST") or "127.0.0.1",
        hook_port=_whole(env, "NERVE_HOOK_PORT", 1),
        hook_token=_text(env, "NERVE_HOOK_TOKEN"),
        previous_attempt=previous,
        wait_sealed_until=until,
        checkpoint_every_seconds=_seconds(env, "NERVE_CHECKPOINT_EVERY"),
    )


def parse_instant(text: str) -> datetime:
    """RFC 3339 with a zone; `datetime.fromisoformat` of Python 3.9 knows neither Z nor nanoseconds."""
    match = _RFC3339.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no RFC 3339 instant such as 2026-08-05T18:00:00Z")
    day, clock, fraction, zone = match.groups()
    micros = ((fraction or "") + "000000")[:6]
    return datetime.fromisoformat(f"{day}T{clock}.{micros}{'+00:00' if zone in 'Zz' else zone}")


def _text(env: Mapping[str, str], name: str) -> Optional[str]:
    return env.get(name, "").strip() or None


def _whole(env: Mapping[str, str], name: str, least: int) -> Optional[int]:
    text = _text(env, name)
    if text is None:
        return None
    if not text.isdigit() or int(text) < least:
        raise CheckpointError("cannot start", f"{name} is {text!r}", f"Set it to a whole number from {least} up")
    return int(text)


def _seconds(env: Mapping[str, str], name: str) -> Optional[float]:
    text = _text(env, name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise CheckpointError("cannot start", f"{name} is {text!r}", "Set it to a number of seconds, such as 60")
    return value


def _instant(env: Mapping[str, str], name: str) -> Optional[datetime]:
    text = _text(env, name)
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise CheckpointError("cannot start", f"{name}: {error}", "Set it to an RFC 3339 instant") from error
