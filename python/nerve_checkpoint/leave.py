"""The way out with exit code 75: nothing of the user's may hang it, and nothing printed may be lost."""

from __future__ import annotations

import logging
import os
import sys
import threading

RESCHEDULE = 75  # EX_TEMPFAIL: "checkpointed, reschedule me"
_FLUSH_SECONDS = 5.0


def leave(code: int = RESCHEDULE) -> None:
    """Flushes (a blocked pipe gets five seconds) and ends the process, without `finally` blocks or exit handlers."""
    flushing = threading.Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(_FLUSH_SECONDS)
    os._exit(code)


def _flush() -> None:
    for flush in (sys.stdout.flush, sys.stderr.flush, logging.shutdown):
        try:
            flush()
        except (OSError, ValueError, AttributeError):
            pass
