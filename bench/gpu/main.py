#!/usr/bin/env python3
"""Checkpoint and resume where it is meant for: on a real GPU. Run it on a machine that has one; it needs PyTorch, nothing else of Nerve's.

    python3 bench/gpu/main.py [--layers 18] [--write bench/results/gpu.md]

1. The SDK's own PyTorch tests, whose trainers take the GPU when there is one.
2. A model of some gigabytes, interrupted through its hook, killed without notice, and compared with a run nobody touched.
3. `nerve demo`, if its Node and its Redis can be had: the whole loop, with the training on the GPU.

Ends with 1 if a weight differs in one bit, a seal takes longer than a notice, or a part fails.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TESTS = os.path.join(ROOT, "python", "tests")
sys.path.insert(0, TESTS)

from support import Trainer, seals  # noqa: E402

STEPS, NOTICE_SECONDS = 3000, 120
BIG = os.path.join(HERE, "big_model.py")


def machine():
    import torch

    if not torch.cuda.is_available():
        sys.exit("bench/gpu/main.py: PyTorch sees no GPU here. Run it on a machine that has one.")
    return {"gpu": torch.cuda.get_device_name(0), "torch": torch.__version__, "python": sys.version.split()[0]}


def sdk_tests():
    names = ["test_torch", "test_state"]
    ran = subprocess.run([sys.executable, "-m", "unittest", *names], cwd=TESTS, capture_output=True, text=True, timeout=400)
    print(ran.stderr[-1500:], flush=True)
    return {"ok": ran.returncode == 0, "said": " ".join(ran.stderr.strip().splitlines()[-3:])}


def big_model(layers, folder):
    def start(place, attempt=1, **env):
        return Trainer(os.path.join(folder, place), attempt, STEPS, script=BIG, more=("--layers", str(layers)), **env)

    whole = start("whole")
    assert whole.end(300) == 0, whole.lines
    expected, alone = whole.hash(), float(whole.line("slowest step").split()[2])
    shutil.rmtree(os.path.join(folder, "whole"))

    first = start("moved")
    first.reach(STEPS // 3, 300)
    asked = time.monotonic()
    status, seal = first.checkpoint("interruption", seconds=NOTICE_SECONDS)
    notice_to_seal = time.monotonic() - asked
    assert status == 200, (status, seal)
    first.term()
    assert first.end(60) == 75, first.lines

    # The second attempt saves beside the training, and is killed without any notice.
    second = start("moved", 2, NERVE_CHECKPOINT_EVERY="3")
    second.line(f"resumed at step {seal['step']} from checkpoint", 120)
    opened = float(second.line("opened in").split()[2])
    second.until(lambda: sum(not entry.get("final", True) for entry in seals(os.path.join(folder, "moved"))) >= 1, 200)
    second.kill()
    newest = seals(os.path.join(folder, "moved"))[-1]

    third = start("moved", 3, NERVE_CHECKPOINT_EVERY="3")
    third.line(f"resumed at step {newest['step']} from checkpoint", 120)
    assert third.end(400) == 0, third.lines
    return {
        "layers": layers, "stateGb": seal["bytes"] / 1e9, "steps": STEPS, "noticedAtStep": seal["step"], "noticeToSealSeconds": notice_to_seal,
        "openAndLoadSeconds": opened, "killedAfterSealAtStep": newest["step"], "slowestStepSeconds": alone,
        "slowestStepWithSavesSeconds": float(third.line("slowest step").split()[2]), "expected": expected, "resumed": third.hash(),
    }


def demo():
    env = {**os.environ, "NERVE_STATE_DIR": tempfile.mkdtemp(prefix="nerve-gpu-demo-")}
    try:
        ran = subprocess.run([os.path.join(ROOT, "bin", "nerve"), "demo", "--json"], capture_output=True, text=True, timeout=200, env=env)
    except subprocess.TimeoutExpired:
        return {"error": "did not end within 200 s"}
    return json.loads(ran.stdout) if ran.returncode == 0 else {"error": ran.stderr.strip()[-500:] or ran.stdout[-500:]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=18, help="16.8 million parameters each (default 18)")
    parser.add_argument("--only", choices=["tests", "model", "demo"], help="one part")
    parser.add_argument("--write", metavar="FILE", help="write the figures to this Markdown file")
    args = parser.parse_args()
    found = {"machine": machine()}
    folder = tempfile.mkdtemp(prefix="nerve-gpu-")
    try:
        for name, part in [("tests", sdk_tests), ("model", lambda: big_model(args.layers, folder)), ("demo", demo)]:
            if args.only in (None, name):
                began = time.monotonic()
                found[name] = {**part(), "tookSeconds": time.monotonic() - began}
                print(json.dumps({name: found[name]}), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bad = failures(found)
    if args.write is not None:
        with open(args.write, "w", encoding="utf-8") as file:
            file.write(page(found))
    print("\n".join(bad) or "all held", flush=True)
    sys.exit(1 if bad else 0)


def failures(found):
    bad = []
    if "tests" in found and not found["tests"]["ok"]:
        bad.append("the SDK's tests failed")
    model = found.get("model")
    if model is not None:
        if model["resumed"] != model["expected"]:
            bad.append("the resumed model differs from the one nobody touched")
        if model["noticeToSealSeconds"] >= NOTICE_SECONDS:
            bad.append("the checkpoint took longer than the notice")
    shown = found.get("demo")
    if shown is not None and not ("error" not in shown and shown["finalHash"] == shown["uninterruptedHash"] and shown["deadlineMet"]):
        bad.append(f"the demo did not hold: {shown.get('error', 'other weights, or late')}")
    return bad


def page(found):
    host, model, shown = found["machine"], found.get("model"), found.get("demo")
    lines = ["# On a real GPU", "", "Written by `python3 bench/gpu/main.py --write bench/results/gpu.md`, which is run by hand: the gate's machine has no GPU.", ""]
    lines += [f"Machine: {host['gpu']}, PyTorch {host['torch']}, Python {host['python']}.", ""]
    if "tests" in found:
        lines += [f"The SDK's PyTorch tests, with their trainers on the GPU: {found['tests']['said']}", ""]
    if model is not None:
        same = "the same, bit for bit" if model["resumed"] == model["expected"] else "**DIFFERENT**"
        lines += [
            f"A model with {model['stateGb']:.1f} GB of state (fp16 autocast, GradScaler, fused AdamW, dropout and data generator on the GPU), {model['steps']} steps,",
            f"interrupted at step {model['noticedAtStep']}, then killed without notice after a periodic seal at step {model['killedAfterSealAtStep']}: final weights {same}.", "",
            "| what | seconds |", "|---|---|",
            f"| notice to sealed checkpoint, on a local disk | {model['noticeToSealSeconds']:.2f} |",
            f"| open, verify the checksums, load | {model['openAndLoadSeconds']:.2f} |",
            f"| slowest step without a save | {model['slowestStepSeconds']:.2f} |",
            f"| slowest step with periodic saves beside it | {model['slowestStepWithSavesSeconds']:.2f} |", "",
        ]
    if shown is not None and "error" not in shown:
        lines += [
            f"`nerve demo` with its training on the GPU (trainer: {shown['trainer']}): zones {' to '.join(shown['zones'])}, {shown['interruptions']} interruption(s), checkpoint at step",
            f"{shown['checkpointStep']}, resumed at step {shown['resumedStep']}, {'equal' if shown['finalHash'] == shown['uninterruptedHash'] else '**DIFFERENT**'} hashes, deadline {'met' if shown['deadlineMet'] else '**missed**'}, "
            f"{shown['realSeconds']:.0f} s. Prices, capacity and carbon are simulated there.", "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
