"""Checkpoints that rotted: each is passed over aloud, and the newest good one is used."""

import os
import shutil
import tempfile
import unittest
from unittest import mock

from support import needs_torch

from nerve_checkpoint.codec import Snapshot
from nerve_checkpoint.errors import CheckpointError
from nerve_checkpoint.loader import load_newest
from nerve_checkpoint.log import SealLog
from nerve_checkpoint.saver import Saver
from nerve_checkpoint.storage import FileStore, run


class Corrupt(unittest.TestCase):
    def setUp(self):
        base = tempfile.mkdtemp(prefix="nerve-corrupt-")
        self.addCleanup(shutil.rmtree, base)
        self.store = FileStore(base)
        log = SealLog(self.store)
        saver = Saver(self.store, log, run(log.take_epoch("j", 1, lambda _: True)), None)
        for step in (10, 20):
            saver.save(Snapshot({"step": step}), step, "test", False, False, 0.0)
        self.older, self.newer = log.checkpoints

    def load(self):
        log = SealLog(self.store)
        run(log.refresh())
        with mock.patch("nerve_checkpoint.loader.say") as said:
            entry, state, bad = load_newest(self.store, log)
        return entry, state, bad, " / ".join(call.args[0] for call in said.call_args_list)

    def path(self, entry):
        return os.path.join(self.store.place, entry.data, "state.json")

    def test_a_good_one_is_used_in_silence(self):
        entry, state, bad, said = self.load()
        self.assertEqual((entry.step, state, bad, said), (20, {"step": 20}, set(), ""))

    def test_each_way_of_being_corrupt_falls_back_aloud(self):
        def truncate(path):
            os.truncate(path, 3)

        def flip(path):
            with open(path, "r+b") as file:
                file.write(b"[")

        def grow(path):
            with open(path, "ab") as file:
                file.write(b" ")

        def link(path):
            os.rename(path, path + ".real")
            os.symlink(path + ".real", path)

        for damage, words in [(truncate, "3 bytes"), (flip, "checksum"), (grow, "not what was sealed"), (link, "no plain file"), (os.unlink, "missing")]:
            with self.subTest(damage.__name__):
                shutil.copy(self.path(self.newer), self.path(self.newer) + ".good")
                damage(self.path(self.newer))
                entry, state, bad, said = self.load()
                self.assertEqual((entry.step, state, bad), (10, {"step": 10}, {self.newer.number}))
                self.assertRegex(said, f"0000000003 .step 20. cannot be used.*{words}.*using checkpoint 0000000002 .step 10. instead")
                os.replace(self.path(self.newer) + ".good", self.path(self.newer))

    @needs_torch
    def test_tensors_that_torch_does_not_load_fall_back_aloud(self):
        log = SealLog(self.store)
        saver = Saver(self.store, log, run(log.take_epoch("j", 1, lambda _: True)), None)

        class Broken(Snapshot):
            content = b""

            def files(self):
                return [*super().files(), ("tensors.pt", lambda out: out.write(self.content))]

        for content in [b"", b"PK\x03\x04 torn", b"\x80\x04cos\nsystem\n."]:
            broken = Broken({"step": 30})
            broken.content = content
            saver.save(broken, 30, "test", False, False, 0.0)
            entry, state, _, said = self.load()
            self.assertEqual((entry.step, state), (20, {"step": 20}))
            self.assertRegex(said, "step 30. cannot be used: its content is not understood.*tensors.pt.*using checkpoint 0000000003 .step 20. instead")

    @needs_torch
    def test_a_lack_of_memory_is_no_corruption(self):
        import torch

        log = SealLog(self.store)
        saver = Saver(self.store, log, run(log.take_epoch("j", 1, lambda _: True)), None)
        saver.save(Snapshot([torch.zeros(1)]), 30, "test", False, False, 0.0)
        error = RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000 bytes.")
        with mock.patch.object(torch, "load", side_effect=error), self.assertRaisesRegex(CheckpointError, "can't allocate memory"):
            self.load()

    def test_a_torn_seal_is_passed_over_aloud(self):
        seal = os.path.join(self.store.place, "seal", "0000000003.json")
        os.truncate(seal, 40)
        entry, _, _, said = self.load()
        self.assertEqual(entry.step, 10)
        self.assertRegex(said, "seal 0000000003 cannot be used")

    def test_with_none_left_it_starts_over_aloud(self):
        for entry in (self.older, self.newer):
            os.truncate(self.path(entry), 1)
        entry, state, _, said = self.load()
        self.assertEqual((entry, state), (None, None))
        self.assertRegex(said, "starting at step 0")


if __name__ == "__main__":
    unittest.main()
