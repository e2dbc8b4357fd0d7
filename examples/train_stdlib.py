#!/usr/bin/env python3
"""Trains a small character-level neural network in pure Python (no packages), checkpointed by nerve_checkpoint.

Embedding -> tanh layer -> softmax over the next character, trained with Adam. The same command always ends with the same
weights, bit for bit, however often it was interrupted in between: compare the hash it prints.

    python3 examples/train_stdlib.py --steps 300
"""

import argparse
import glob
import hashlib
import math
import os
import random
import sys
import time
from array import array
from operator import mul

HERE = os.path.dirname(os.path.abspath(__file__))
try:
    import nerve_checkpoint
except ImportError:
    sys.path.insert(0, os.path.join(HERE, "..", "python"))
    import nerve_checkpoint

CONTEXT, EMBED, HIDDEN, BATCH = 4, 6, 20, 24
MOST_CHARACTERS, MOST_TEXT = 48, 200_000
RATE, BETA1, BETA2 = 0.004, 0.9, 0.999


def read_text(path):
    """The given file, else this project's own documents, else this script."""
    docs = sorted(glob.glob(os.path.join(HERE, "..", "*.md")) + glob.glob(os.path.join(HERE, "..", "docs", "*.md")))
    parts = []
    for name in [path] if path else docs or [__file__]:
        with open(name, encoding="utf-8", errors="replace") as file:
            parts.append(file.read())
    return "\n".join(parts)[:MOST_TEXT].lower()


class Model:
    """All weights in one flat array; Adam's moments beside it."""

    def __init__(self, text):
        counts = sorted(set(text), key=lambda c: (-text.count(c), c))[: MOST_CHARACTERS - 1]
        codes = {c: n + 1 for n, c in enumerate(counts)}  # 0 stands for every rarer character
        self.data = [codes.get(c, 0) for c in text]
        if len(self.data) <= CONTEXT:
            sys.exit("the text is too short: give a longer one with --text")
        self.inputs, self.symbols = CONTEXT * EMBED, len(counts) + 1
        self.hidden_at = self.symbols * EMBED
        self.out_at = self.hidden_at + HIDDEN * (self.inputs + 1)
        size = self.out_at + self.symbols * (HIDDEN + 1)
        self.weights = array("d", (random.uniform(-0.25, 0.25) for _ in range(size)))
        self.m, self.v = array("d", bytes(8 * size)), array("d", bytes(8 * size))

    def example(self, at, gradient):
        """Adds the gradient of predicting data[at] from the characters before it; answers the loss."""
        w, rows = self.weights, self.data[at - CONTEXT : at]
        x = [value for row in rows for value in w[row * EMBED : row * EMBED + EMBED]]
        x.append(1.0)
        wide, deep = self.inputs + 1, HIDDEN + 1
        h = [math.tanh(sum(map(mul, w[o : o + wide], x))) for o in range(self.hidden_at, self.out_at, wide)]
        h.append(1.0)
        logits = [sum(map(mul, w[o : o + deep], h)) for o in range(self.out_at, len(w), deep)]
        top = max(logits)
        exps = [math.exp(z - top) for z in logits]
        total = sum(exps)
        target = self.data[at]
        back_h = [0.0] * deep
        for n, e in enumerate(exps):
            d = e / total - (n == target)
            o = self.out_at + n * deep
            row = w[o : o + deep]
            for k in range(deep):
                gradient[o + k] += d * h[k]
                back_h[k] += d * row[k]
        back_x = [0.0] * wide
        for n in range(HIDDEN):
            d = back_h[n] * (1.0 - h[n] * h[n])
            o = self.hidden_at + n * wide
            row = w[o : o + wide]
            for k in range(wide):
                gradient[o + k] += d * x[k]
                back_x[k] += d * row[k]
        for place, row in enumerate(rows):
            for k in range(EMBED):
                gradient[row * EMBED + k] += back_x[place * EMBED + k]
        return math.log(total) + top - logits[target]

    def step(self, number, position):
        """One step of Adam on a batch that walks through the text, each example a random little way further."""
        gradient, loss = [0.0] * len(self.weights), 0.0
        for _ in range(BATCH):
            position["at"] = (position["at"] + random.randrange(1, 64)) % (len(self.data) - CONTEXT)
            loss += self.example(CONTEXT + position["at"], gradient)
        rate = RATE * math.sqrt(1 - BETA2 ** (number + 1)) / (1 - BETA1 ** (number + 1))
        w, m, v = self.weights, self.m, self.v
        for n, g in enumerate(gradient):
            g /= BATCH
            m[n] += (1 - BETA1) * (g - m[n])
            v[n] += (1 - BETA2) * (g * g - v[n])
            w[n] -= rate * m[n] / (math.sqrt(v[n]) + 1e-8)
        return loss / BATCH


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000, help="training steps (default 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", help="text file to learn from (default: this project's documents)")
    parser.add_argument("--out", help="file to write the final weights to")
    parser.add_argument("--calibrate", type=float, metavar="SECONDS", help="only print how many steps take about that long here")
    args = parser.parse_args()
    random.seed(args.seed)
    text = read_text(args.text)
    model, position = Model(text), {"at": 0}
    if args.calibrate is not None:
        return calibrate(model, position, args.calibrate)
    train(args, text, model, position)


def calibrate(model, position, seconds):
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < 0.5:
        model.step(steps, position)
        steps += 1
    print(max(1, round(seconds * steps / (time.perf_counter() - began))))


def train(args, text, model, position):
    source = {"text": hashlib.sha256(text.encode()).hexdigest()}
    expected = source["text"]
    state = {"weights": model.weights, "m": model.m, "v": model.v, "position": position, "source": source}
    with nerve_checkpoint.Checkpointer(state, total_steps=args.steps) as checkpointer:
        resumed = checkpointer.resumed
        if resumed.checkpoint_id is None:
            print("starting at step 0", flush=True)
        else:
            print(f"resumed at step {resumed.step} from checkpoint {resumed.checkpoint_id}", flush=True)
        if source["text"] != expected:
            sys.exit("the text is not the one this job began with: put it back, or choose another checkpoint folder")
        told = 0.0
        for step in checkpointer.steps():
            loss = model.step(step, position)
            if time.monotonic() - told >= 1.0 or step + 1 == args.steps:
                told = time.monotonic()
                print(f"step {step + 1}/{args.steps} loss {loss:.4f}", flush=True)
    weights = model.weights.tobytes()
    if args.out:
        with open(args.out, "wb") as file:
            file.write(weights)
    print(f"final weights sha256 {hashlib.sha256(weights).hexdigest()}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except nerve_checkpoint.CheckpointError as error:
        sys.exit(f"train_stdlib.py: {error}")
