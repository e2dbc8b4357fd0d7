"""Exact resume with the real PyTorch, to the last bit: in one process part by part, and with examples/train_pytorch.py as a real process."""

import random
import shutil
import tempfile
import unittest

from support import Trainer, needs_numpy, needs_torch, seals
from test_state import through

from nerve_checkpoint.state import State

STEPS, EXAMPLE_STEPS = 7, 200


class Rows:
    """Data in an order shuffled anew each epoch (5 rows, 2 a batch: a checkpoint falls into the middle of one)."""

    def __init__(self, torch):
        self.torch, self.at, self.order = torch, 0, []

    def batch(self):
        if self.at + 2 > len(self.order):
            self.order, self.at = self.torch.randperm(5).tolist(), 0
        self.at += 2
        return self.torch.eye(5)[self.order[self.at - 2 : self.at]]

    def state_dict(self):
        return {"at": self.at, "order": self.order}

    def load_state_dict(self, saved):
        self.at, self.order = saved["at"], list(saved["order"])


def fresh_parts():
    """A training in which every kind of state has a say in the result."""
    import numpy
    import torch

    torch.manual_seed(99)
    random.seed(99)
    numpy.random.seed(99)
    model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return {
        "model": model, "optimizer": optimizer, "scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2 * STEPS), "data": Rows(torch),
        "torch generator": torch.Generator().manual_seed(1), "numpy generator": numpy.random.default_rng(1), "python generator": random.Random(1),
        "average": {"ema": torch.zeros(5, dtype=torch.bfloat16)},
    }


def train(parts, steps):
    """Answers the bits of every weight, buffer and moment."""
    import numpy
    import torch

    for _ in range(steps):
        noise = torch.randn(2, 5, generator=parts["torch generator"])
        noise = noise + parts["numpy generator"].normal() + parts["python generator"].random() + numpy.random.random() + random.random()
        rows = parts["data"].batch() + noise
        parts["optimizer"].zero_grad()
        parts["model"](rows).square().mean().backward()
        parts["optimizer"].step()
        parts["scheduler"].step()
        parts["average"]["ema"].mul_(0.9).add_(rows[0].bfloat16())
    moments = [value for slot in parts["optimizer"].state_dict()["state"].values() for value in slot.values()]
    tensors = [*parts["model"].state_dict().values(), *moments, parts["average"]["ema"]]
    return [bytes(tensor.detach().contiguous().flatten().view(torch.uint8).tolist()) if tensor.dim() else tensor.item() for tensor in tensors]


@needs_torch
@needs_numpy
class InOneProcess(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        whole = fresh_parts()
        train(whole, STEPS)
        cls.saved = through(State(whole).capture())
        cls.expected = train(whole, STEPS)

    def resumed(self, without=(), without_random=()):
        parts = fresh_parts()
        train(parts, 3)  # whatever is there already must not shine through
        now = through(State(parts).capture())
        saved = {name: {**now[name], **self.saved[name]} for name in ("parts", "random")}
        for name in without:
            saved["parts"][name] = now["parts"][name]
        for name in without_random:
            saved["random"][name] = now["random"][name]
        State(parts).restore(saved)
        return train(parts, STEPS)

    def test_a_resumed_training_ends_with_the_same_bits(self):
        self.assertEqual(self.resumed(), self.expected)

    def test_it_would_not_if_any_one_part_were_left_out(self):
        for name in self.saved["parts"]:
            with self.subTest(name):
                self.assertNotEqual(self.resumed(without=[name]), self.expected)
        self.assertEqual(sorted(self.saved["random"])[-3:], ["numpy", "python", "torch"])
        for name in ("numpy", "python", "torch"):
            with self.subTest(f"global generator of {name}"):
                self.assertNotEqual(self.resumed(without_random=[name]), self.expected)


@needs_torch
class TheExample(unittest.TestCase):
    """examples/train_pytorch.py: a transformer with dropout, AdamW, a schedule, and data shuffled anew each epoch."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(prefix="nerve-torch-whole-") as folder:
            whole = Trainer(folder, steps=EXAMPLE_STEPS, script="train_pytorch.py")
            try:
                assert whole.end(120) == 0, whole.lines
                cls.expected = whole.hash()
            finally:
                whole.kill()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nerve-torch-")
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, attempt=1, **env):
        trainer = Trainer(self.folder, attempt, EXAMPLE_STEPS, script="train_pytorch.py", **env)
        self.addCleanup(trainer.kill)
        return trainer

    def test_killed_after_a_checkpoint_and_then_interrupted_at_one_it_ends_with_the_same_weights(self):
        first = self.start(NERVE_CHECKPOINT_EVERY="0.1")
        first.until(lambda: any(entry["type"] == "checkpoint" for entry in seals(self.folder)), 120)
        first.kill()
        newest = seals(self.folder)[-1]
        self.assertTrue(0 < newest["step"] < EXAMPLE_STEPS and not newest["final"], newest)

        second = self.start(2)
        second.line(f"resumed at step {newest['step']} from checkpoint", 120)
        second.reach(newest["step"] + 5, 120)
        status, seal = second.checkpoint("interruption", seconds=60)
        self.assertEqual(status, 200, seal)
        self.assertTrue(newest["step"] + 5 <= seal["step"] < EXAMPLE_STEPS, seal)
        second.term()
        self.assertEqual(second.end(30), 75)

        third = self.start(3)
        self.assertEqual(third.end(120), 0, third.lines)
        third.line(f"resumed at step {seal['step']} from checkpoint {seal['id']}")
        self.assertEqual(third.hash(), self.expected)


if __name__ == "__main__":
    unittest.main()
