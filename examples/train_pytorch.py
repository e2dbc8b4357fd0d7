#!/usr/bin/env python3
"""Trains a small character-level transformer with PyTorch, checkpointed by nerve_checkpoint.

Model, AdamW, learning-rate schedule, random generators (dropout!) and the position in the data are all resumed, so the same
command ends with the same weights on the same hardware, bit for bit, however often it was interrupted in between.

    python3 examples/train_pytorch.py --steps 200
"""

import argparse
import glob
import hashlib
import math
import os
import sys
import time

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with a fixed workspace
try:
    import torch
except ImportError:
    sys.exit("train_pytorch.py: PyTorch is not installed. Run: pip install torch (or try examples/train_stdlib.py, which needs nothing)")
from torch import nn
from torch.nn import functional

HERE = os.path.dirname(os.path.abspath(__file__))
try:
    import nerve_checkpoint
except ImportError:
    sys.path.insert(0, os.path.join(HERE, "..", "python"))
    import nerve_checkpoint

CONTEXT, WIDTH, HEADS, LAYERS, BATCH = 32, 48, 4, 2, 16
CHARACTERS, MOST_TEXT = 128, 400_000


def read_text(path):
    """The given file, else this project's own documents, else this script."""
    docs = sorted(glob.glob(os.path.join(HERE, "..", "*.md")) + glob.glob(os.path.join(HERE, "..", "docs", "*.md")))
    parts = []
    for name in [path] if path else docs or [__file__]:
        with open(name, encoding="utf-8", errors="replace") as file:
            parts.append(file.read())
    return "\n".join(parts)[:MOST_TEXT]


class Windows:
    """The data: windows of the text in an order shuffled anew each epoch. Its position is part of the checkpoint."""

    def __init__(self, text, seed):
        codes = [min(ord(c), CHARACTERS - 1) for c in text]
        self.data = torch.tensor(codes)
        self.count = (len(codes) - 1) // CONTEXT
        if self.count < BATCH:
            sys.exit("the text is too short: give a longer one with --text")
        self.text = hashlib.sha256(bytes(codes)).hexdigest()
        self.seed, self.epoch, self.at = seed, 0, 0
        self._shuffle()

    def _shuffle(self):
        self.order = torch.randperm(self.count, generator=torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch))

    def batch(self):
        if self.at + BATCH > self.count:
            self.epoch, self.at = self.epoch + 1, 0
            self._shuffle()
        starts = self.order[self.at : self.at + BATCH] * CONTEXT
        self.at += BATCH
        rows = torch.stack([self.data[start : start + CONTEXT + 1] for start in starts.tolist()])
        return rows[:, :-1], rows[:, 1:]

    def state_dict(self):
        return {"epoch": self.epoch, "at": self.at, "text": self.text}

    def load_state_dict(self, saved):
        if saved["text"] != self.text:
            sys.exit("the text is not the one this job began with: put it back, or choose another checkpoint folder")
        self.epoch, self.at = saved["epoch"], saved["at"]
        self._shuffle()


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.place = nn.Embedding(CHARACTERS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.out = nn.Linear(WIDTH, CHARACTERS)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT), persistent=False)

    def forward(self, rows):
        x = self.token(rows) + self.place(torch.arange(CONTEXT, device=rows.device))
        return self.out(self.layers(x, mask=self.mask, is_causal=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000, help="training steps (default 1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", help="text file to learn from (default: this project's documents)")
    parser.add_argument("--out", help="file to write the final weights to")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--calibrate", type=float, metavar="SECONDS", help="only print how many steps take about that long here")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    if args.device == "cpu":
        torch.set_num_threads(1)  # this small a model gains nothing from more, and the order of sums stays the same
    windows = Windows(read_text(args.text), args.seed)
    model = Transformer().to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / max(1, args.steps))))

    def train_step():
        rows, targets = (tensor.to(args.device) for tensor in windows.batch())
        loss = functional.cross_entropy(model(rows).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        return loss

    if args.calibrate is not None:
        return calibrate(train_step, args.calibrate)
    train(args, train_step, model, {"model": model, "optimizer": optimizer, "scheduler": scheduler, "data": windows})


def calibrate(train_step, seconds):
    train_step().item()  # the first step is slower
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < 0.5:
        train_step().item()
        steps += 1
    print(max(1, round(seconds * steps / (time.perf_counter() - began))))


def train(args, train_step, model, state):
    with nerve_checkpoint.Checkpointer(state, total_steps=args.steps) as checkpointer:
        resumed = checkpointer.resumed
        if resumed.checkpoint_id is None:
            print("starting at step 0", flush=True)
        else:
            print(f"resumed at step {resumed.step} from checkpoint {resumed.checkpoint_id}", flush=True)
        told = 0.0
        for step in checkpointer.steps():
            loss = train_step()
            if time.monotonic() - told >= 1.0 or step + 1 == args.steps:
                told = time.monotonic()
                print(f"step {step + 1}/{args.steps} loss {loss.item():.4f}", flush=True)
    weights = b"".join(bytes(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).tolist()) for tensor in model.state_dict().values())
    if args.out:
        with open(args.out, "wb") as file:
            file.write(weights)
    print(f"final weights sha256 {hashlib.sha256(weights).hexdigest()}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except nerve_checkpoint.CheckpointError as error:
        sys.exit(f"train_pytorch.py: {error}")
