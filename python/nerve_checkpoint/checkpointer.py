"""The one class a training script needs. Wishes (hook, SIGTERM, the clock) are served at step boundaries, in the training's own thread.

    with Checkpointer({"model": model, "optimizer": optimizer}, total_steps=1000) as checkpointer:
        for step in checkpointer.steps():
            train(step)

What would surprise: an attempt that was replaced, interrupted or paused ends INSIDE this code, with exit code 75 and without
running `finally` blocks (leave.py). A block left by an exception seals nothing: the state may be half-way through a step.
A resumed run's random generators are put back twice: on entering, and at its first step boundary, so that what the script draws
between the two (`iter(DataLoader)` does) does not shift them.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import datetime
from typing import Any, Callable, Iterator, Mapping, Optional

from .codec import Snapshot
from .desk import Desk, Resumed, Seal
from .entries import CheckpointEntry, seal_id
from .errors import Cancelled, CheckpointError, StorageError, Superseded, say
from .hook import HookServer
from .leave import leave
from .loader import load_newest
from .log import Holder, SealLog, check_fence, predecessor_is_done
from .saver import TIDY_SECONDS, Data, Saver
from .settings import Settings, read_settings
from .state import State
from .storage import open_store, run

LEAST_INTERVAL_SECONDS = 60.0
# At most 2 % of the time goes into blocking saves.
INTERVAL_PER_BLOCKING = 50.0
# Told to stop while the storage fails: how often it is tried again.
AGAIN_SECONDS = 1.0
# Sealed and told to stop: what the deletion of old data may take of the grace period.
TIDY_BEFORE_LEAVING_SECONDS = 1.0
# How long a replacement that waits bears with a storage that fails.
HANDOVER_PATIENCE_SECONDS = 60.0
# Told to stop while the state cannot be taken: a step later it may be, but the grace period is short.
STATE_PATIENCE_SECONDS = 5.0


class Checkpointer:
    def __init__(self, state: Mapping[str, Any], total_steps: Optional[int] = None, uri: Optional[str] = None) -> None:
        self._settings: Settings = read_settings(uri)
        self._state = State(state)
        self._total_steps = total_steps
        self._desk = Desk(total_steps)
        self._store = open_store(self._settings.uri)
        self._log = SealLog(self._store)
        self._server: Optional[HookServer] = None
        self._saver: Optional[Saver] = None
        self._loaded: Optional[CheckpointEntry] = None
        self._closing = threading.Event()
        self._completed = False
        self._blocking_seconds = 0.0
        self._loading = False
        self._unsavable_since: Optional[float] = None
        self._due = float("inf")
        self._old_sigterm: Any = None
        self._pid = os.getpid()

    # --- what a script uses ---

    @property
    def step(self) -> int:
        """Steps completed so far."""
        return self._desk.step

    @property
    def resumed(self) -> Optional[Resumed]:
        """Where this attempt began; `checkpoint_id` is None if that was the very beginning."""
        return self._desk.resumed

    @property
    def deadline(self) -> Optional[datetime]:
        return self._settings.deadline

    def steps(self) -> Iterator[int]:
        """Yields the steps still to do. Leaving it early with `break` counts as completing the job."""
        step = self.step
        if self._is_complete(step):
            self._complete()
            return
        while self._total_steps is None or step < self._total_steps:
            self.boundary(step)
            try:
                yield step
            except GeneratorExit:
                self._desk.step = step + 1
                raise
            step += 1
            self._desk.step = step
        self._complete()

    def boundary(self, step: int) -> None:
        """For loops of one's own instead of `steps`: call it between two steps with the number of steps completed."""
        now = time.monotonic()
        desk = self._desk
        self._state.restore_random_again(desk.resumed is not None and step == desk.resumed.step)
        desk.at_step(step, now)
        if desk.sigterm or desk.want == "final":
            self._stop(step)
        elif (desk.want is not None or now >= self._due) and not self._opened().busy:
            self._save_in_background(step, forced=desk.want is not None)

    # --- opening ---

    def __enter__(self) -> "Checkpointer":
        self._catch_sigterm()
        try:
            self._serve_hook()
            holder = self._take_epoch()
            self._saver = Saver(self._store, self._log, holder, self._total_steps)
            self._load(holder)
        except Superseded as reason:
            self._superseded(reason)
        except BaseException:
            self._close()
            raise
        self._due = time.monotonic() + self._interval()
        threading.Thread(target=self._watch_fence, args=(holder,), name="nerve-fence", daemon=True).start()
        return self

    def _serve_hook(self) -> None:
        settings = self._settings
        if settings.hook_port is None:
            return
        if settings.hook_token is None:
            say("NERVE_HOOK_PORT is set without NERVE_HOOK_TOKEN: no hook server; SIGTERM works")
            return
        self._server = HookServer(settings.hook_host, settings.hook_port, settings.hook_token, self._desk)

    def _take_epoch(self) -> Holder:
        settings = self._settings
        told = False
        failing_since: Optional[float] = None
        while True:
            if self._desk.sigterm:
                leave()
            try:
                holder = run(self._log.take_epoch(settings.job_id, settings.attempt, self._may_take_over))
                failing_since = None
                if holder is not None:
                    return holder
                if not told:
                    say(f"waiting for attempt {settings.previous_attempt} to seal its final checkpoint, until {settings.wait_sealed_until}")
                    told = True
            except StorageError as error:
                failing_since = self._bear(error, failing_since)
            time.sleep(self._store.poll_seconds)

    def _bear(self, error: StorageError, since: Optional[float]) -> float:
        """Since when the storage has been failing. Only a replacement waits it out, for a while: nobody would start another one."""
        now = time.monotonic()
        began = now if since is None else since
        if self._settings.previous_attempt is None or now - began >= HANDOVER_PATIENCE_SECONDS:
            raise error
        if since is None:
            say(f"{error}. Trying again for {HANDOVER_PATIENCE_SECONDS:.0f} s")
        return began

    def _may_take_over(self, log: SealLog) -> bool:
        settings = self._settings
        if settings.previous_attempt is None or settings.wait_sealed_until is None:
            return True
        return time.time() >= settings.wait_sealed_until.timestamp() or predecessor_is_done(log, settings.attempt or 1)

    def _load(self, holder: Holder) -> None:
        self._loading = True
        if self._desk.sigterm:  # it came while the epoch was taken
            leave()
        entry, tree, bad = load_newest(self._store, self._log)
        self._opened().known_bad = bad
        if entry is not None:
            self._state.restore(tree)
        self._snapshot(time.monotonic())  # state that cannot be saved is found now, not when the node is going away
        self._loading = False
        if self._desk.sigterm:
            leave()
        self._loaded = entry
        self._desk.resume_at(Resumed(entry.step if entry else 0, holder.epoch, seal_id(entry.number) if entry else None))

    # --- saving ---

    def _snapshot(self, began: float) -> Snapshot:
        """Raises CheckpointError, whatever the user's own code raised."""
        try:
            snapshot = Snapshot(self._state.capture())
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError("cannot take the state", f"{type(error).__name__}: {error}", "Look at what the script gives as state: nothing may change it while a step boundary is passed") from error
        self._blocking_seconds = time.monotonic() - began
        return snapshot

    def _save_in_background(self, step: int, forced: bool) -> None:
        began = time.monotonic()
        saver = self._opened()
        self._due = began + self._interval()
        try:
            snapshot = self._snapshot(began)
        except CheckpointError as error:
            say(f"{error}. Training goes on without this checkpoint")
            self._desk.failed(error, began)
            return
        self._due = began + self._interval()  # again: the state may take longer to be taken than last time

        def work(check: Callable[[], None]) -> None:
            try:
                seal = saver.save(snapshot, step, "asked" if forced else "periodic", False, False, began, check)
                self._desk.sealed(seal, began, forced, closes=False)
                saver.tidy_beside(seal)
            except Cancelled:
                pass
            except Superseded as reason:
                self._superseded(reason)
            except CheckpointError as error:
                say(f"{error}. Training goes on without this checkpoint")
                self._desk.failed(error, began)

        saver.start(work)

    def _save_final(self, step: int, completed: bool) -> Optional[Seal]:
        """Saves and seals before anything else happens; None if that failed, which callers of the hook are told.

        After SIGTERM nobody is left to ask again, but time may be: a storage that fails is tried until it seals, or SIGKILL comes.
        """
        saver = self._opened()
        saver.give_up_background()
        began = time.monotonic()
        snapshot: Optional[Snapshot] = None
        data: Optional[Data] = None
        failed = False
        while True:
            try:
                snapshot = snapshot or self._snapshot(began)
                data = data or saver.write(snapshot, step)
                seal = saver.seal(data, step, "completed" if completed else "final", True, completed, began)
                break
            except Superseded as reason:
                self._superseded(reason)
            except CheckpointError as error:
                again = self._desk.sigterm and not completed and isinstance(error, StorageError)
                if not failed:
                    self._tell_failure(error, began, again)
                failed = True
                if not again:
                    return None
            time.sleep(AGAIN_SECONDS)
        self._desk.sealed(seal, began, forced=False, closes=True)
        saver.tidy_beside(seal).join(TIDY_SECONDS if completed else TIDY_BEFORE_LEAVING_SECONDS)
        return seal

    def _tell_failure(self, error: CheckpointError, began: float, again: bool) -> None:
        if self._unsavable_since is None:  # else it is said already
            say(f"{error}. Trying again until it is sealed, or SIGKILL ends it" if again else str(error))
        self._desk.failed(error, began)

    # --- ending ---

    def _stop(self, step: int) -> None:
        """Final save; then stay until SIGTERM or the notice's time, so that whoever asked can act on the answer first."""
        if self._total_steps is not None and step >= self._total_steps:
            self._complete()
            return
        seal = self._save_final(step, completed=False)
        if seal is None:
            if self._desk.sigterm and self._out_of_patience():
                say("stopping without a final checkpoint: the last sealed one will be resumed")
                self._leave()
            return
        self._closing.set()
        say(f"checkpoint {seal.id} sealed at step {step}, training stopped")
        while not self._desk.sigterm and time.time() < self._desk.stay_until:
            time.sleep(0.05)
        self._leave()

    def _out_of_patience(self) -> bool:
        """Told to stop with a state that cannot be taken: at least one more step, in case another thread was just changing it."""
        now = time.monotonic()
        if self._unsavable_since is None:
            self._unsavable_since = now
            return False
        return now - self._unsavable_since >= STATE_PATIENCE_SECONDS

    def _is_complete(self, step: int) -> bool:
        if self._total_steps is not None and step >= self._total_steps:
            return True
        done = self._loaded
        return done is not None and done.completed and done.total_steps == self._total_steps

    def _complete(self) -> None:
        if self._completed:
            return
        loaded = self._loaded
        if loaded is not None and loaded.completed and loaded.step == self.step:
            self._desk.completed(Seal(loaded.number, loaded.step, loaded.bytes, loaded.duration_ms, True))
        else:
            self._seal_completion()
        self._completed = True
        if self._desk.sigterm:
            self._desk.sigterm = False  # it came while the last step was being sealed: nothing is left to stop

    def _seal_completion(self) -> None:
        seal = self._save_final(self.step, completed=True)
        self._desk.completed(seal)
        if seal is None:
            say("the job has completed, but that could not be sealed: a restart would redo the work since the last checkpoint")

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                self._complete()
            elif self._saver is not None:
                self._saver.wait_for_background()
        finally:
            self._close()

    def _close(self) -> None:
        self._closing.set()
        if self._server is not None:
            self._server.drain(1.0)
            self._server.close()
        if self._old_sigterm is not None:
            signal.signal(signal.SIGTERM, self._old_sigterm)
            self._old_sigterm = None

    def _leave(self) -> None:
        if self._server is not None:
            self._server.drain(1.0)
        leave()

    def _superseded(self, reason: Superseded) -> Any:
        say(f"stopping: {reason}")
        leave()

    # --- watching ---

    def _catch_sigterm(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            say("not on the main thread: SIGTERM cannot be caught, only the hook saves")
            return
        self._old_sigterm = signal.signal(signal.SIGTERM, self._on_sigterm) or signal.SIG_DFL

    def _on_sigterm(self, number: int, frame: Any) -> None:
        if os.getpid() != self._pid:  # a forked helper, such as a data loader's worker, is to end as if we were not here
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self._desk.sigterm = True
        if self._completed or self._loading:  # nothing is left to save, or nothing there yet
            leave()

    def _watch_fence(self, holder: Holder) -> None:
        """A replaced attempt stops within moments, not only at its next save."""
        log = self._log.copy()
        while not self._closing.wait(self._store.watch_seconds):
            try:
                run(log.refresh())
                check_fence(log, holder)
            except Superseded as reason:
                if not self._closing.is_set():
                    self._superseded(reason)
            except CheckpointError:
                pass  # the next save will say it

    def _opened(self) -> Saver:
        if self._saver is None:
            raise CheckpointError("cannot save", "the Checkpointer is not open", "Use it in a with statement")
        return self._saver

    def _interval(self) -> float:
        every = self._settings.checkpoint_every_seconds
        return max(LEAST_INTERVAL_SECONDS, INTERVAL_PER_BLOCKING * self._blocking_seconds) if every is None else every
