#!/usr/bin/env python3
"""A model with a state of some gigabytes: mixed precision, fused AdamW, dropout on the GPU. What bench/gpu/main.py interrupts."""

import argparse
import hashlib
import os
import sys
import time

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import nerve_checkpoint

WIDTH, BATCH = 4096, 64


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--layers", type=int, default=18, help="16.8 million parameters each, 201 MB with AdamW's two moments")
    parser.add_argument("--text", help="not used: every trainer of the tests takes it")
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.use_deterministic_algorithms(True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    blocks = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.1)) for _ in range(args.layers)]
    model = nn.Sequential(*blocks).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    scaler = torch.amp.GradScaler(device)
    noise = torch.Generator(device).manual_seed(7)
    state = {"model": model, "optimizer": optimizer, "scaler": scaler, "noise": noise}
    opened = time.perf_counter()
    with nerve_checkpoint.Checkpointer(state, total_steps=args.steps) as checkpointer:
        resumed = checkpointer.resumed
        print(f"resumed at step {resumed.step} from checkpoint {resumed.checkpoint_id}", flush=True)
        print(f"opened in {time.perf_counter() - opened:.2f} s", flush=True)
        slowest, last = 0.0, time.perf_counter()
        for _ in checkpointer.steps():
            rows = torch.randn(BATCH, WIDTH, generator=noise, device=device)
            with torch.autocast(device, dtype=torch.float16):
                loss = (model(rows) - rows).square().mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            loss.item()  # ends the step on the GPU, so that a step's time is its time
            slowest, last = max(slowest, time.perf_counter() - last), time.perf_counter()
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().cpu().numpy().tobytes())
    print(f"slowest step {slowest:.3f} s", flush=True)
    print(f"final weights sha256 {digest.hexdigest()}", flush=True)


if __name__ == "__main__":
    main()
