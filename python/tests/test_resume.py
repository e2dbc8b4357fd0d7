"""The whole promise with real processes: however a run is ended, the next attempt ends with the same weights, bit for bit."""

import os
import resource
import shutil
import tempfile
import threading
import time
import unittest
import uuid

from support import REAL_S3, Trainer, call, instant, needs_s3, seals, tree

STEPS = 200


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(prefix="nerve-whole-") as folder:
            whole = Trainer(folder, steps=STEPS)
            assert whole.end() == 0, whole.lines
            cls.expected = whole.hash()
            whole.kill()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nerve-resume-")
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, attempt=1, place=None, **more):
        trainer = Trainer(place or self.folder, attempt, STEPS, **more)
        self.addCleanup(trainer.kill)
        return trainer

    def finishes(self, trainer, resumed_at=None):
        self.assertEqual(trainer.end(), 0, trainer.lines)
        self.assertEqual(trainer.hash(), self.expected)
        if resumed_at is not None:
            trainer.line(f"resumed at step {resumed_at} from checkpoint")

    def test_an_interruption_through_the_hook_loses_nothing(self):
        first = self.start()
        first.line("starting at step 0")
        first.reach(20)
        status, seal = first.checkpoint("interruption")
        self.assertEqual(status, 200, seal)
        last = seals(self.folder)[-1]
        self.assertEqual((last["final"], last["step"], f"{len(seals(self.folder)):010d}"), (True, seal["step"], seal["id"]))
        time.sleep(0.3)
        self.assertIsNone(first.process.poll(), "it must stay until SIGTERM")
        self.assertEqual(first.progress()["step"], seal["step"], "training must have stopped")
        self.assertEqual(first.checkpoint("move"), (200, seal))
        first.term()
        self.assertEqual(first.end(10), 75)
        self.finishes(self.start(2), seal["step"])

    def test_without_a_sigterm_it_leaves_when_the_notice_has_run_out(self):
        first = self.start()
        first.reach(5)
        self.assertEqual(first.checkpoint("interruption", seconds=1.5)[0], 200)
        self.assertEqual(first.end(10), 75)

    def test_sigterm_alone_loses_nothing(self):
        first = self.start()
        first.reach(20)
        first.term()
        self.assertEqual(first.end(10), 75)
        last = seals(self.folder)[-1]
        self.assertTrue(last["final"])
        self.finishes(self.start(2), last["step"])

    def test_sigterm_during_a_hook_save_is_the_same_request(self):
        first = self.start()
        first.reach(10)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(first.checkpoint("interruption")))
        asking.start()
        first.term()
        self.assertEqual(first.end(10), 75)
        asking.join(10)
        last = seals(self.folder)[-1]
        self.assertTrue(last["final"])
        self.assertEqual([(status, seal.get("step")) for status, seal in answers], [(200, last["step"])])

    def test_a_kill_loses_only_what_came_after_the_last_seal(self):
        first = self.start(NERVE_CHECKPOINT_EVERY="0.1")
        first.reach(STEPS // 2)
        first.kill()
        newest = max(entry["step"] for entry in seals(self.folder) if entry["type"] == "checkpoint")
        self.assertGreater(newest, 0)
        self.finishes(self.start(1), newest)

    def test_kills_at_many_moments_still_end_with_the_same_weights(self):
        for delay in (0.05, 0.25, 0.45, 0.65, 0.8):
            victim = self.start(NERVE_CHECKPOINT_EVERY="0")
            time.sleep(delay)
            victim.kill()
        self.finishes(self.start())

    def test_a_forced_save_leaves_the_training_running(self):
        first = self.start()
        first.reach(10)
        status, seal = first.checkpoint("rebalance")
        self.assertEqual(status, 200)
        self.assertEqual(first.checkpoint("drill"), (200, seal))
        self.assertFalse(seals(self.folder)[-1]["final"])
        self.finishes(first)

    def test_a_replacement_waits_for_the_final_seal_and_resumes_exactly_there(self):
        first = self.start()
        first.reach(20)
        first.pause()
        second = self.start(2, NERVE_PREVIOUS_ATTEMPT="1", NERVE_WAIT_SEALED_UNTIL=instant(30))
        second.line("waiting for attempt 1")
        first.go_on()
        self.assertIsNone(second.progress()["resumed"])
        self.assertEqual(second.checkpoint("interruption")[0], 409)
        _, seal = first.checkpoint("interruption", seconds=30)
        second.line(f"resumed at step {seal['step']} from checkpoint {seal['id']}", 10)
        self.assertIsNone(first.process.poll(), "the two overlap, only one trains")
        self.finishes(second)
        first.term()
        self.assertEqual(first.end(10), 75)

    def test_a_replacement_goes_on_without_the_final_seal_when_the_wait_is_over(self):
        first = self.start()
        first.reach(10)
        self.assertEqual(first.checkpoint("periodic")[0], 200)
        first.kill()
        began = time.monotonic()
        second = self.start(2, NERVE_PREVIOUS_ATTEMPT="1", NERVE_WAIT_SEALED_UNTIL=instant(2))
        second.line("resumed at step")
        self.assertGreater(time.monotonic() - began, 1.5)
        self.finishes(second)

    def test_a_waiting_replacement_told_to_end_takes_no_epoch(self):
        first = self.start()
        first.reach(5)
        first.pause()
        second = self.start(2, NERVE_PREVIOUS_ATTEMPT="1", NERVE_WAIT_SEALED_UNTIL=instant(60))
        second.line("waiting for attempt 1")
        second.term()
        self.assertEqual(second.end(10), 75)
        self.assertEqual([entry["attempt"] for entry in seals(self.folder)], [1])
        first.go_on()
        self.finishes(first)

    def test_a_fenced_attempt_stops_with_75_and_claims_no_result(self):
        first = self.start(NERVE_CHECKPOINT_EVERY="0.2")
        first.reach(10)
        first.pause()
        second = self.start(2)
        second.line(" at step ")
        first.go_on()
        self.assertEqual(first.end(10), 75)
        first.line("attempt 2 resumed with epoch")
        self.assertFalse(any("final weights" in line for line in first.lines))
        self.finishes(second)
        attempts = [entry["attempt"] for entry in seals(self.folder)]
        self.assertEqual(attempts, sorted(attempts))

    def test_an_old_attempt_started_again_changes_nothing(self):
        first = self.start()
        first.reach(10)
        first.term()
        first.end(10)
        self.finishes(self.start(2))
        before = tree(self.folder)
        late = self.start(1)
        self.assertEqual(late.end(10), 75)
        late.line("attempt 2 has already resumed")
        self.assertEqual(tree(self.folder), before)

    def test_a_completed_job_started_again_ends_at_once_with_the_same_hash(self):
        self.finishes(self.start())
        again = self.start(2)
        self.finishes(again, STEPS)
        self.assertFalse(any("loss" in line for line in again.lines))

    def test_a_corrupt_checkpoint_falls_back_to_the_one_before_and_says_so(self):
        first = self.start(NERVE_CHECKPOINT_EVERY="0.1")
        first.reach(STEPS // 2)
        first.kill()
        last = [entry for entry in seals(self.folder) if entry["type"] == "checkpoint"][-2:]
        with open(os.path.join(self.folder, last[1]["data"], "arrays.bin"), "r+b") as file:
            file.write(b"garbage")
        second = self.start(2)
        second.line(f"(step {last[1]['step']}) cannot be used: the checksum of arrays.bin is wrong")
        self.finishes(second, last[0]["step"])

    def test_a_full_folder_answers_507_and_the_training_goes_on(self):
        first = self.start(limit_files=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)))
        first.reach(10)
        status, body = first.checkpoint("interruption")
        self.assertEqual(status, 507, body)
        self.assertRegex(body["error"]["why"], "is full")
        self.assertEqual(os.listdir(os.path.join(self.folder, "data")), [])
        self.finishes(first)
        first.line("that could not be sealed")

    def test_a_folder_that_cannot_be_used_ends_the_start_with_a_clear_message(self):
        blocker = os.path.join(self.folder, "file")
        with open(blocker, "w", encoding="utf-8"):
            pass
        trainer = self.start(NERVE_CHECKPOINT_URI=f"file://{blocker}/below")
        self.assertEqual(trainer.end(10), 1)
        trainer.line("cannot be used")
        self.assertFalse(any("Traceback" in line for line in trainer.lines))

    @needs_s3
    def test_over_a_real_s3_an_interruption_loses_nothing_and_fences(self):
        place = f"{REAL_S3}/{uuid.uuid4().hex}"
        first = self.start(place=place, NERVE_CHECKPOINT_EVERY="0.2")
        first.reach(20)
        status, seal = first.checkpoint("interruption")
        self.assertEqual(status, 200, seal)
        first.term()
        self.assertEqual(first.end(10), 75)
        self.finishes(self.start(2, place=place), seal["step"])
        late = self.start(1, place=place)
        self.assertEqual(late.end(10), 75)
        late.line("attempt 2 has already resumed")

    def test_a_stranger_without_the_token_changes_nothing(self):
        first = self.start()
        first.reach(5)
        self.assertEqual(call(first.port, "/v1/checkpoint", {"reason": "interruption"}, token="guess")[0], 401)
        self.assertEqual(call(first.port, "/v1/progress", token=None)[0], 401)
        self.finishes(first)
        self.assertEqual([entry.get("reason") for entry in seals(self.folder)], [None, "completed"])


if __name__ == "__main__":
    unittest.main()
