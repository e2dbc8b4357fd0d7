"""The Checkpointer inside one process: loops that end early, fail, go on, or run outside Nerve. (Exits are in test_resume.py.)"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from contextlib import ExitStack
from unittest import mock

from support import PYTHON, instant, seals

from nerve_checkpoint import CheckpointError, Checkpointer, StorageError, checkpointer, saver
from nerve_checkpoint.settings import parse_instant, read_settings


class Loops(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nerve-loops-")
        self.addCleanup(shutil.rmtree, self.folder)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NERVE_")}
        patch = mock.patch.dict(os.environ, clean, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def run_steps(self, total, stop_at=None, **env):
        """Steps done in this process, and the state after them."""
        state, done = {"sum": 0}, []
        with mock.patch.dict(os.environ, env), Checkpointer({"state": state}, total_steps=total, uri=self.folder) as checkpointer:
            for step in checkpointer.steps():
                state["sum"] += step
                done.append(step)
                if step == stop_at:
                    break
        return done, state["sum"]

    def test_a_finished_job_is_sealed_and_its_restart_does_nothing(self):
        self.assertEqual(self.run_steps(5), ([0, 1, 2, 3, 4], 10))
        last = seals(self.folder)[-1]
        self.assertEqual((last["step"], last["final"], last["completed"]), (5, True, True))
        self.assertEqual(self.run_steps(5), ([], 10))

    def test_more_steps_than_before_go_on_from_there(self):
        self.run_steps(3)
        self.assertEqual(self.run_steps(5), ([3, 4], 10))

    def test_what_is_drawn_between_with_and_the_first_step_does_not_shift_a_resumed_run(self):
        def draws(folder, stop_at=None):
            random.seed(1)
            own, state = random.Random(2), {"draws": []}
            with self.assertRaises(ZeroDivisionError) if stop_at is not None else ExitStack():
                with mock.patch.dict(os.environ, NERVE_CHECKPOINT_EVERY="0"), Checkpointer({"state": state, "own": own}, 5, folder) as running:
                    random.random(), own.random()  # as iter(DataLoader) does
                    for step in running.steps():
                        while running._saver.busy:
                            time.sleep(0.001)
                        if step == stop_at:
                            1 / 0
                        state["draws"].append((random.random(), own.random()))
            return state["draws"]

        whole = draws(self.folder)
        other = os.path.join(self.folder, "other")
        draws(other, stop_at=3)
        self.assertEqual(draws(other), whole)

    def test_a_loop_of_ones_own_that_has_trained_before_its_first_boundary_draws_on(self):
        def draws(folder, stop_at=None):
            random.seed(1)
            state = {"draws": []}
            with self.assertRaises(ZeroDivisionError) if stop_at is not None else ExitStack():
                with mock.patch.dict(os.environ, NERVE_CHECKPOINT_EVERY="0"), Checkpointer({"state": state}, 6, folder) as running:
                    for step in range(running.step, 6):
                        if step == stop_at:
                            1 / 0
                        state["draws"].append(random.random())
                        running.boundary(step + 1)
                        while running._saver.busy:
                            time.sleep(0.001)
            return state["draws"]

        whole = draws(self.folder)
        other = os.path.join(self.folder, "other")
        draws(other, stop_at=3)
        self.assertEqual(draws(other), whole)

    def test_break_completes_the_job(self):
        self.assertEqual(self.run_steps(None, stop_at=2), ([0, 1, 2], 3))
        self.assertEqual(self.run_steps(None, stop_at=2), ([], 3))

    def test_an_exception_seals_nothing_and_the_next_run_resumes_before_it(self):
        state = {"sum": 0}
        with self.assertRaises(ZeroDivisionError), mock.patch.dict(os.environ, NERVE_CHECKPOINT_EVERY="0"):
            with Checkpointer({"state": state}, 10, self.folder) as checkpointer:
                for step in checkpointer.steps():
                    state["sum"] += step
                    while checkpointer._saver.busy:
                        pass
                    if step == 4:
                        1 / 0
        self.assertFalse(any(entry.get("final") for entry in seals(self.folder)))
        done, total = self.run_steps(10)
        self.assertEqual((done[0], total), (4, 45))

    def test_sigterm_is_handled_as_before_afterwards(self):
        before = signal.getsignal(signal.SIGTERM)
        self.run_steps(1)
        self.assertEqual(signal.getsignal(signal.SIGTERM), before)

    def test_a_loop_of_ones_own_uses_boundary(self):
        state = {"sum": 0}
        with Checkpointer({"state": state}, 3, self.folder) as checkpointer:
            for step in range(checkpointer.step, 3):
                checkpointer.boundary(step)
                state["sum"] += 1
            checkpointer.boundary(3)
        self.assertEqual(seals(self.folder)[-1]["step"], 3)

    def test_a_folder_of_another_job_is_refused(self):
        self.run_steps(1, NERVE_JOB_ID="j-one")
        with self.assertRaisesRegex(CheckpointError, "belongs to job j-one, this is j-two"):
            self.run_steps(1, NERVE_JOB_ID="j-two")
        self.assertEqual(self.run_steps(2), ([1], 1))

    def test_a_state_that_cannot_be_saved_fails_at_the_start(self):
        with self.assertRaisesRegex(CheckpointError, "state.parts.state.bad is a set"):
            with Checkpointer({"state": {"bad": {1}}}, 3, self.folder):
                self.fail("it began")

    def test_a_forked_helper_dies_of_sigterm_as_if_nothing_was_there(self):
        script = (
            "import os, signal, sys\nfrom nerve_checkpoint import Checkpointer\n"
            f"with Checkpointer({{'s': []}}, 2, {self.folder!r}) as c:\n"
            "    for step in c.steps():\n"
            "        child = os.fork()\n"
            "        if child == 0:\n"
            "            os.kill(os.getpid(), signal.SIGTERM)\n"
            "            os._exit(0)\n"
            "        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM\n"
        )
        ended = subprocess.run([sys.executable, "-c", script], cwd=PYTHON, timeout=30, capture_output=True, text=True)
        self.assertEqual(ended.returncode, 0, ended.stderr)


class Left(BaseException):
    """Instead of the end of the process, with code 75."""


def stop():
    os.kill(os.getpid(), signal.SIGTERM)


class Trouble(unittest.TestCase):
    """Storage and state that fail or hang, mostly while the attempt is told to stop."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nerve-trouble-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NERVE_")}
        self.said = []
        self.cleanups = ExitStack()
        self.addCleanup(self.cleanups.close)
        self.patch(mock.patch.dict(os.environ, clean, clear=True))
        self.patch(mock.patch.object(checkpointer, "leave", side_effect=Left))
        self.patch(mock.patch.object(checkpointer, "say", side_effect=self.said.append))
        self.patch(mock.patch.object(checkpointer, "AGAIN_SECONDS", 0.01))

    def patch(self, patch):
        self.cleanups.enter_context(patch)

    def patch_store(self, name, fake):
        """Replaces a method of the folder's store; `fake` gets the real one first."""
        real = getattr(checkpointer.open_store(self.folder).__class__, name)
        self.patch(mock.patch(f"nerve_checkpoint.storage.FileStore.{name}", lambda *args: fake(lambda: real(*args), *args[1:])))

    def train(self, state, at_step, total=20, every="1000"):
        """Runs with `at_step(checkpointer, step)`, and answers whether it left with 75."""
        with mock.patch.dict(os.environ, NERVE_CHECKPOINT_EVERY=every):
            try:
                with Checkpointer(state, total, self.folder) as running:
                    for step in running.steps():
                        at_step(running, step)
            except Left:
                return True
        return False

    def checkpoints(self):
        return [(entry["step"], entry["final"]) for entry in seals(self.folder) if entry["type"] == "checkpoint"]

    def test_told_to_stop_it_tries_until_it_is_sealed_and_says_so_once(self):
        for method in ("write", "create"):
            with self.subTest(method):
                fails = [3]

                def failing(real, *args, fails=fails):
                    if told and fails[0] > 0:
                        fails[0] -= 1
                        raise StorageError("cannot write a checkpoint", "a blink", "Wait")
                    return real()

                told = []
                self.said.clear()
                self.patch_store(method, failing)
                before = len(self.checkpoints())
                self.assertTrue(self.train({"s": []}, lambda _, step: told.append(stop())))
                self.assertEqual([final for _, final in self.checkpoints()[before:]], [True])
                self.assertEqual(len([line for line in self.said if "a blink" in line]), 1, self.said)
                self.assertEqual(len(os.listdir(os.path.join(self.folder, "data"))), before + 1)

    def test_a_waiting_replacement_bears_a_storage_that_fails_for_a_while_and_says_so_once(self):
        calls = []

        def failing(real, folder):
            calls.append(folder)
            if len(calls) in (1, 3, 4):
                raise StorageError("cannot list checkpoints", "a blink", "Wait")
            return real()

        self.patch_store("names", failing)
        self.patch(mock.patch("nerve_checkpoint.storage.FileStore.poll_seconds", 0.01))
        self.patch(mock.patch.object(checkpointer, "predecessor_is_done", lambda log, attempt: len(calls) >= 5))
        with mock.patch.dict(os.environ, NERVE_ATTEMPT="2", NERVE_PREVIOUS_ATTEMPT="1", NERVE_WAIT_SEALED_UNTIL=instant(60)):
            self.assertFalse(self.train({"s": []}, lambda *_: None, total=1))
        self.assertEqual(len([line for line in self.said if "a blink" in line]), 2, self.said)

    def test_but_not_for_ever_and_nobody_else_does(self):
        def failing(real, folder):
            raise StorageError("cannot list checkpoints", "gone", "Look")

        self.patch_store("names", failing)
        self.patch(mock.patch("nerve_checkpoint.storage.FileStore.poll_seconds", 0.01))
        with self.assertRaisesRegex(StorageError, "gone"):
            self.train({"s": []}, lambda *_: None)
        self.patch(mock.patch.object(checkpointer, "HANDOVER_PATIENCE_SECONDS", 0.05))
        with mock.patch.dict(os.environ, NERVE_ATTEMPT="2", NERVE_PREVIOUS_ATTEMPT="1"), self.assertRaisesRegex(StorageError, "gone"):
            self.train({"s": []}, lambda *_: None)

    def failing_state(self, fails):
        """A state whose getter raises what `fails` holds, once each."""

        def get():
            if fails:
                raise fails.pop()
            return {"n": 1}

        return {"s": (get, lambda saved: None)}

    def test_a_periodic_save_that_cannot_take_the_state_does_not_end_the_training(self):
        fails = []
        errors = [RuntimeError("dictionary changed size during iteration"), MemoryError("short"), CheckpointError("cannot save the state", "a set", "Use a list")]

        def at_step(running, step):
            if step < len(errors):
                fails[:] = [errors[step]]
                running._due = 0.0
            if step == len(errors):
                running._due = 0.0
                self.assertEqual(fails, [])
            while running._saver.busy:
                time.sleep(0.001)

        self.assertFalse(self.train(self.failing_state(fails), at_step, total=6))
        self.assertEqual(len([line for line in self.said if "Training goes on" in line]), 3, self.said)
        self.assertEqual(self.checkpoints()[0][1], False)
        self.assertEqual(self.checkpoints()[-1], (6, True))

    def test_told_to_stop_with_a_state_that_cannot_be_taken_it_tries_a_step_later(self):
        fails = []
        self.assertTrue(self.train(self.failing_state(fails), lambda _, step: (fails.append(RuntimeError("changed size")), stop()) if step == 3 else None))
        self.assertEqual(self.checkpoints(), [(5, True)])

    def test_and_leaves_with_75_if_that_does_not_help(self):
        self.patch(mock.patch.object(checkpointer, "STATE_PATIENCE_SECONDS", 0.0))
        fails = []
        self.assertTrue(self.train(self.failing_state(fails), lambda _, step: (fails.extend([RuntimeError("changed size")] * 9), stop()) if step == 3 else None))
        self.assertEqual(self.checkpoints(), [])
        self.assertRegex(" / ".join(self.said), "RuntimeError: changed size.*stopping without a final checkpoint")

    def test_told_to_stop_while_a_checkpoint_is_loaded_it_leaves_at_once(self):
        reached = []
        for expected in (False, True):
            state = {"s": (lambda: 1, lambda saved: (stop(), reached.append(saved)))}
            self.assertEqual(self.train(state, lambda _, step: reached.append(step), total=2 if not expected else 4), expected)
        self.assertEqual(reached, [0, 1])

    def test_a_final_save_does_not_wait_for_a_background_save_that_hangs_and_that_one_seals_nothing_later(self):
        self.patch(mock.patch.object(saver, "GIVE_UP_SECONDS", 0.05))
        hangs, goes_on, ended = threading.Event(), threading.Event(), threading.Event()

        def hanging(real, name, fill, check):
            if hangs.is_set():
                return real()
            hangs.set()
            goes_on.wait(10)
            try:
                raise StorageError("cannot write a checkpoint", "too late", "Wait")
            finally:
                ended.set()

        self.patch_store("write", hanging)
        desks = []

        def at_step(running, step):
            desks.append(running._desk)
            if step == 0:
                self.assertTrue(hangs.wait(3))
                stop()

        self.assertTrue(self.train({"s": []}, at_step, every="0"))
        self.assertFalse(goes_on.is_set())
        self.assertEqual(self.checkpoints(), [(1, True)])
        goes_on.set()
        self.assertTrue(ended.wait(3))
        for thread in threading.enumerate():
            if thread.name == "nerve-save":
                thread.join(3)
        self.assertEqual(self.checkpoints(), [(1, True)])
        self.assertIsNone(desks[0]._failure)
        self.assertFalse(any("too late" in line for line in self.said))

    def test_a_look_at_the_log_that_hangs_holds_up_no_save(self):
        self.hold_up("names", lambda: threading.current_thread().name == "nerve-fence")

    def test_deleting_old_data_that_hangs_holds_up_no_final_save(self):
        self.hold_up("delete_folder", lambda: True, every="0", step=4)

    def hold_up(self, method, here, every="1000", step=0):
        """A storage call that hangs in another thread, and a SIGTERM then: the final seal stands while it still hangs."""
        self.patch(mock.patch("nerve_checkpoint.storage.FileStore.watch_seconds", 0.01))
        self.patch(mock.patch.object(checkpointer, "TIDY_BEFORE_LEAVING_SECONDS", 0.05))
        hangs, goes_on = threading.Event(), threading.Event()

        def hanging(real, *args):
            if here():
                hangs.set()
                goes_on.wait(10)
            return real()

        self.patch_store(method, hanging)

        def at_step(running, now):
            while every == "0" and running._saver.busy:
                time.sleep(0.001)
            if now == step:
                self.assertTrue(hangs.wait(10))
                stop()

        began = time.monotonic()
        self.assertTrue(self.train({"s": []}, at_step, every=every))
        self.assertLess(time.monotonic() - began, 9)
        self.assertFalse(goes_on.is_set())
        self.assertEqual(self.checkpoints()[-1], (step + 1, True))
        goes_on.set()


class Environment(unittest.TestCase):
    def test_nothing_set_means_a_local_folder_and_no_server(self):
        settings = read_settings(env={})
        self.assertEqual((settings.uri, settings.hook_port, settings.attempt), (os.path.abspath("checkpoints"), None, None))

    def test_values_that_make_no_sense_are_named(self):
        for name, value in [
            ("NERVE_ATTEMPT", "0"), ("NERVE_ATTEMPT", "one"), ("NERVE_HOOK_PORT", "-1"), ("NERVE_CHECKPOINT_EVERY", "nan"), ("NERVE_CHECKPOINT_EVERY", "-1"),
            ("NERVE_DEADLINE", "tomorrow"), ("NERVE_WAIT_SEALED_UNTIL", "2026-01-01T00:00:00"), ("WORLD_SIZE", "2"),
        ]:
            with self.subTest(name, value=value), self.assertRaisesRegex(CheckpointError, name):
                read_settings(env={name: value})

    def test_instants_of_rfc_3339_are_read(self):
        for text in ["2026-08-05T18:00:00Z", "2026-08-05T20:00:00.000+02:00", "2026-08-05t18:00:00.000000123z"]:
            self.assertEqual(parse_instant(text).timestamp(), 1785952800.0)


if __name__ == "__main__":
    unittest.main()
