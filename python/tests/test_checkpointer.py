"""The Checkpointer inside one process: loops that end early, fail, go on, or run outside Nerve. (Exits are in test_resume.py.)"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from support import PYTHON, seals

from nerve_checkpoint import CheckpointError, Checkpointer
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
