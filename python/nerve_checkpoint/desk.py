"""Where the hook's threads and the training loop meet: wishes go in, seals come out. One condition guards all of it.

`want` and `sigterm` are read by the loop without the lock at every step; a signal handler may only set `sigterm`
(it runs in the middle of whatever the main thread does, so it must not take the lock).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, Optional, Tuple

from .entries import seal_id
from .errors import CheckpointError, StorageError

FINAL_REASONS = ("interruption", "move", "pause")
OTHER_REASONS = ("periodic", "rebalance", "drill")
FORCED_EVERY_SECONDS = 30.0
# How long a request without a deadline waits for a step boundary, and a sealed attempt for its SIGTERM.
NO_DEADLINE_SECONDS = 600.0


@dataclass(frozen=True)
class Seal:
    number: int
    step: int
    bytes: int
    duration_ms: int
    final: bool

    @property
    def id(self) -> str:
        return seal_id(self.number)

    def as_json(self) -> Dict[str, Any]:
        return {"id": self.id, "step": self.step, "bytes": self.bytes, "durationMs": self.duration_ms}


@dataclass(frozen=True)
class Resumed:
    step: int
    epoch: int
    checkpoint_id: Optional[str]


class Refusal(Exception):
    """An HTTP status with its reason."""

    def __init__(self, status: int, code: str, what: str, why: str, next_step: str) -> None:
        super().__init__(what)
        self.status = status
        self.body = {"error": {"code": code, "what": what, "why": why, "next": next_step}}


class Desk:
    def __init__(self, total_steps: Optional[int]) -> None:
        self._changed = threading.Condition()
        self.total_steps = total_steps
        self.step = 0
        self.resumed: Optional[Resumed] = None
        self._resumed_at = 0.0  # monotonic, as every time here that is not called real
        self.want: Optional[str] = None  # 'forced' | 'final'
        self._wished_at = float("-inf")  # when the newest wish was made: only a save taken since then has served it
        self.sigterm = False
        self.stay_until = 0.0  # real time, of the latest final request
        self._last: Optional[Tuple[float, Seal]] = None  # with the monotonic time its snapshot was taken
        self._last_forced = float("-inf")
        self._failure: Optional[Tuple[float, CheckpointError]] = None
        self._closed_by: Optional[Seal] = None  # training has stopped or completed: this seal answers everything
        self._over = False
        self._samples: Deque[Tuple[float, int]] = deque(maxlen=64)

    # --- the training loop's side ---

    def at_step(self, step: int, now: float) -> None:
        self.step = step
        if not self._samples or now - self._samples[-1][0] >= 0.5:
            self._samples.append((now, step))

    def resume_at(self, resumed: Resumed) -> None:
        with self._changed:
            self.step = resumed.step
            self.resumed = resumed
            self._resumed_at = time.monotonic()

    def sealed(self, seal: Seal, taken_at: float, forced: bool, closes: bool) -> None:
        with self._changed:
            if self._last is None or taken_at >= self._last[0]:  # a save that was given up may end after a newer one
                self._last = (taken_at, seal)
            if forced:
                self._last_forced = time.monotonic()
                self.want = None if self.want == "forced" else self.want
            if closes:
                self._closed_by, self.want = seal, None
            self._changed.notify_all()

    def completed(self, seal: Optional[Seal]) -> None:
        """Nothing is left to train; `seal` (an earlier attempt's, perhaps) says so, or could not be had."""
        with self._changed:
            self._closed_by, self._over = seal, True
            self._changed.notify_all()

    def failed(self, error: CheckpointError, taken_at: float) -> None:
        with self._changed:
            if self._failure is None or taken_at >= self._failure[0]:
                self._failure = (taken_at, error)
            if taken_at >= self._wished_at:
                self.want = None
            self._changed.notify_all()

    # --- the hook's side ---

    def ask(self, reason: str, deadline: Optional[float]) -> Seal:
        """Waits until the wish is sealed; `deadline` is real time."""
        asked_at = time.monotonic()
        give_up = asked_at + (NO_DEADLINE_SECONDS if deadline is None else max(1.0, deadline - time.time()))
        final = reason in FINAL_REASONS
        with self._changed:
            if self.resumed is None:
                raise Refusal(409, "not-resumed", "cannot checkpoint yet", "this attempt is not past its resume point, so there is nothing of its own to save", "End it with SIGTERM: no work is lost")
            if final:
                self.stay_until = max(self.stay_until, time.time() + NO_DEADLINE_SECONDS if deadline is None else deadline)
            answer = self._answer(final, asked_at)
            if answer is None:
                self.want = "final" if final else (self.want or "forced")
                self._wished_at = asked_at
            while answer is None:
                if self._failure is not None and (self._over or self._failure[0] >= asked_at):
                    raise _refusal(self._failure[1])
                left = give_up - time.monotonic()
                if left <= 0:
                    raise Refusal(503, "no-step-boundary", "no checkpoint yet", f"the training loop has not finished step {self.step} and its save by the deadline", "The wish stands: it is served at the next step boundary. Call again, or use the last periodic checkpoint")
                self._changed.wait(left)
                answer = self._answer(final, asked_at)
            return answer

    def _answer(self, final: bool, asked_at: float) -> Optional[Seal]:
        """The seal that answers a request already, if there is one. A forced save answers all who ask before it is 30 s old, while it was
        written too: they would get the same seal a moment later."""
        if self._closed_by is not None or final or self._last is None:
            return self._closed_by
        fresh = self._last[0] >= asked_at or asked_at - self._last_forced < FORCED_EVERY_SECONDS
        return self._last[1] if fresh else None

    def progress(self) -> Dict[str, Any]:
        with self._changed:
            now, resumed, last = time.monotonic(), self.resumed, self._last
            return {
                "step": self.step,
                "totalSteps": self.total_steps,
                "stepsPerSecond": self._steps_per_second(),
                "resumed": None if resumed is None else {"step": resumed.step, "epoch": resumed.epoch, "checkpointId": resumed.checkpoint_id, "ageSeconds": round(now - self._resumed_at, 3)},
                "lastCheckpoint": None if last is None else {**last[1].as_json(), "final": last[1].final, "ageSeconds": round(now - last[0], 3)},
            }

    def _steps_per_second(self) -> Optional[float]:
        samples = list(self._samples)
        if len(samples) < 2:
            return None
        (then, from_step), (now, to_step) = samples[0], samples[-1]
        return round((to_step - from_step) / (now - then), 4)


def _refusal(error: CheckpointError) -> Refusal:
    full = isinstance(error, StorageError)
    return Refusal(507 if full else 500, "storage" if full else "state", error.what, error.why, error.next_step)
