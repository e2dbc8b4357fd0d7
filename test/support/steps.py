"""A training process that costs nothing: a step is a nap. What it is for is the SDK around it (test/contract/hooks.test.ts)."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
from nerve_checkpoint import Checkpointer

with Checkpointer({"weights": [0.0] * 1000}, total_steps=1_000_000) as checkpointer:
    for _ in checkpointer.steps():
        time.sleep(0.005)
