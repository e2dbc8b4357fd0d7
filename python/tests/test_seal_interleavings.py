"""Two writers of the seal log, through every order in which their steps can fall. A planted check-then-write must be found."""

import json
import os
import shutil
import tempfile
import unittest
from unittest import mock

from support import CheckThenWriteStore, MemoryStore, every_interleaving

from nerve_checkpoint.errors import Cancelled, Superseded
from nerve_checkpoint.log import Holder, SealLog, check_fence, predecessor_is_done
from nerve_checkpoint.storage import FileStore, run

FILES = [{"name": "state.json", "bytes": 1, "sha256": "0" * 64}]


def body(step, final=False):
    return {"step": step, "totalSteps": 10, "final": final, "completed": False, "data": f"data/s{step}", "files": FILES, "durationMs": 1}


class ForgetfulLog(SealLog):
    """A second planted fault: after losing a number it takes the next one without looking who was first."""

    def seal(self, holder, body):
        yield from self.refresh()
        check_fence(self, holder)
        number = self._next()
        whole = {"type": "checkpoint", "job": holder.job, "attempt": holder.attempt, "epoch": holder.epoch, **body}
        while not (yield from self._create(number, whole)):
            number += 1
        return number


class Scene:
    """An attempt 1 that has resumed and sealed once, in a store; writers report what they believe they wrote."""

    def __init__(self, store, log=SealLog):
        self.store, self.Log = store, log
        self.wrote = []
        self.stopped = 0
        self.first = log(store)
        self.holder = run(self.first.take_epoch("j", 1, lambda _: True))
        run(self.first.seal(self.holder, body(1)))

    def sealer(self, log, holder, steps, final=False):
        try:
            for step in steps:
                number = yield from log.seal(holder, body(step, final))
                self.wrote.append((number, "checkpoint", holder.attempt))
        except Superseded:
            self.stopped += 1

    def resumer(self, attempt, steps, ready=lambda _: True, tries=1):
        log = self.Log(self.store)
        for _ in range(tries):
            try:
                holder = yield from log.take_epoch("j", attempt, ready)
            except Superseded:
                self.stopped += 1
                return
            if holder is not None:
                self.wrote.append((holder.epoch, "resume", attempt))
                yield from self.sealer(log, holder, steps)
                return

    def entries(self):
        names = sorted(name for name in self.store.names("seal") if name.endswith(".json"))
        return {int(name[:10]): json.loads(self.store.read("seal/" + name, 1 << 20)) for name in names}

    def fault(self):
        """What is wrong with the log, or None."""
        entries = self.entries()
        if list(entries) != list(range(1, len(entries) + 1)):
            return f"numbers {list(entries)}"
        found = [(number, entry["type"], entry["attempt"]) for number, entry in entries.items() if number > 2]
        if found != sorted(self.wrote):
            return f"the log holds {found}, the writers believe {sorted(self.wrote)}"
        epoch, attempt = 0, 0
        for entry in entries.values():
            if entry["epoch"] < epoch or entry["attempt"] < attempt:
                return f"attempt {entry['attempt']} wrote after attempt {attempt} had taken epoch {epoch}"
            if entry["type"] == "resume":
                epoch, attempt = entry["epoch"], entry["attempt"]
        return None


def old_and_new(scene):
    return [scene.sealer(scene.first, scene.holder, [2, 3]), scene.resumer(2, [4])]


def old_and_new_once(scene):
    return [scene.sealer(scene.first, scene.holder, [2]), scene.resumer(2, [4])]


def old_and_its_restart(scene):
    return [scene.sealer(scene.first, scene.holder, [2]), scene.resumer(1, [])]


def two_replacements(scene):
    return [scene.resumer(2, []), scene.resumer(3, [5])]


def old_dies_anywhere(scene):
    old = scene.sealer(scene.first, scene.holder, [2])
    dead = []

    def until_dead():
        for _ in old:
            if dead:
                return
            yield
            if dead:
                return

    def killer():
        dead.append(True)
        return
        yield

    return [until_dead(), scene.resumer(2, []), killer()]


def explore(make_store, cast, log=SealLog, clean=lambda store: None):
    """The number of interleavings, and the first fault found."""
    faults = []

    def make():
        scene = Scene(make_store(), log)

        def check(trace):
            fault = scene.fault()
            if fault is not None:
                faults.append(f"{fault}, in the order {trace}")
            clean(scene.store)

        return cast(scene), check

    return every_interleaving(make), faults


class SealInterleavings(unittest.TestCase):
    def test_two_writers_never_take_the_same_number_nor_write_past_the_fence(self):
        for cast, least in [(old_and_new, 5000), (old_and_its_restart, 100), (two_replacements, 500)]:
            with self.subTest(cast.__name__):
                count, faults = explore(MemoryStore, cast)
                self.assertEqual(faults[:1], [])
                self.assertGreater(count, least)

    def test_a_save_that_was_given_up_never_seals_after_the_final_one(self):
        wrong = []

        def make():
            scene = Scene(MemoryStore())
            given_up = []

            def check():
                if given_up:
                    raise Cancelled()

            def hung():
                try:
                    yield from scene.first.seal(scene.holder, body(5), check)
                except Cancelled:
                    pass

            def final():
                given_up.append(True)
                yield from scene.first.copy().seal(scene.holder, body(9, final=True))

            def sound(trace):
                steps = [entry["step"] for entry in scene.entries().values() if entry["type"] == "checkpoint"]
                if steps not in ([1, 9], [1, 5, 9]):
                    wrong.append((steps, trace))

            return [hung(), final()], sound

        self.assertGreater(every_interleaving(make), 20)
        self.assertEqual(wrong[:1], [])

    def test_a_writer_that_dies_between_any_two_steps_leaves_a_sound_log(self):
        # What the dead one wrote without reporting it is allowed: only numbers and the fence are checked.
        faults = []

        def make():
            scene = Scene(MemoryStore())

            def check(trace):
                scene.wrote = [(n, e["type"], e["attempt"]) for n, e in scene.entries().items() if n > 2]
                if scene.fault() is not None or not any(kind == "resume" for _, kind, _ in scene.wrote):
                    faults.append((scene.fault(), trace))

            return old_dies_anywhere(scene), check

        self.assertGreater(every_interleaving(make), 100)
        self.assertEqual(faults[:1], [])

    def test_a_replacement_waits_for_the_final_seal_in_every_order(self):
        early = []

        def make():
            scene = Scene(MemoryStore())
            cast = [scene.sealer(scene.first, scene.holder, [7], final=True), scene.resumer(2, [], lambda log: predecessor_is_done(log, 2), tries=3)]

            def check(trace):
                kinds = [(entry["type"], entry.get("final")) for entry in scene.entries().values()]
                if ("resume", None) in kinds[1:] and ("checkpoint", True) not in kinds[: kinds.index(("resume", None), 1)]:
                    early.append(trace)

            return cast, check

        self.assertGreater(every_interleaving(make), 50)
        self.assertEqual(early[:1], [])

    def test_a_planted_check_then_write_is_found(self):
        for cast in (old_and_new, old_and_its_restart, two_replacements):
            with self.subTest(cast.__name__):
                _, faults = explore(CheckThenWriteStore, cast)
                self.assertNotEqual(faults, [])

    def test_a_planted_writer_that_does_not_look_again_is_found(self):
        _, faults = explore(MemoryStore, old_and_new, ForgetfulLog)
        self.assertNotEqual(faults, [])

    def test_real_folders_hold_in_every_order_too(self):
        base = tempfile.mkdtemp(prefix="nerve-interleave-")
        self.addCleanup(shutil.rmtree, base)
        numbers = iter(range(1 << 30))
        with mock.patch.object(os, "fsync"):  # a process is interleaved here, not a power cut
            count, faults = explore(lambda: FileStore(os.path.join(base, str(next(numbers)))), old_and_new_once, clean=lambda store: shutil.rmtree(store.place))
        self.assertEqual(faults[:1], [])
        self.assertGreater(count, 500)


class Attempts(unittest.TestCase):
    def test_an_older_attempt_takes_no_epoch_and_writes_nothing(self):
        scene = Scene(MemoryStore())
        run(SealLog(scene.store).take_epoch("j", 5, lambda _: True))
        before = dict(scene.store.files)
        with self.assertRaises(Superseded):
            run(SealLog(scene.store).take_epoch("j", 4, lambda _: True))
        self.assertEqual(scene.store.files, before)

    def test_a_final_seal_counts_only_until_its_attempt_resumes_again(self):
        scene = Scene(MemoryStore())
        self.assertFalse(predecessor_is_done(scene.first, 2))
        run(scene.first.seal(scene.holder, body(2, final=True)))
        self.assertTrue(predecessor_is_done(scene.first, 2))
        run(scene.first.take_epoch("j", 1, lambda _: True))  # its container was restarted
        self.assertFalse(predecessor_is_done(scene.first, 2))

    def test_an_unreadable_seal_after_the_own_epoch_stops_the_writer_and_a_restart_goes_on(self):
        scene = Scene(MemoryStore())
        scene.store.files["seal/0000000003.json"] = b"\x00 torn"
        with self.assertRaises(Superseded):
            run(scene.first.seal(scene.holder, body(2)))
        again = SealLog(scene.store)
        holder = run(again.take_epoch("j", 1, lambda _: True))
        self.assertEqual(holder, Holder("j", 1, 4))
        self.assertEqual(run(again.seal(holder, body(2))), 5)


if __name__ == "__main__":
    unittest.main()
