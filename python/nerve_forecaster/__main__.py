"""`python -m nerve_forecaster`: train, evaluate, export. What people read goes to stderr; `evaluate --json` prints data."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Sequence

from .history import HOUR, HistoryError, read_folder, span_of

"""Hours ahead, and how often a window is taken for training."""
KINDS = {"carbon": (48, HOUR), "price": (24, 3 * HOUR)}
FILES = {"carbon": "carbon", "price": "prices"}


def main(argv: Sequence[str]) -> int:
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (HistoryError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed; training needs PyTorch: pip install './python[forecaster]'", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nerve_forecaster", description="Trains forecasts of grid carbon and spot prices on stored history.")
    commands = parser.add_subparsers(required=True)
    for name, run, what in (
        ("train", _train, "fit a model, judge it on the last weeks, keep it as a PyTorch file (and export it with --export)"),
        ("evaluate", _evaluate, "compare a model trained without the last weeks with the baselines, on those weeks"),
        ("export", _export, "write what train kept as the JSON that Nerve reads"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.set_defaults(run=run)
        if name == "export":
            command.add_argument("trained", type=Path)
            command.add_argument("--out", type=Path, required=True)
            continue
        command.add_argument("--data", type=Path, required=True, help="folder of history files")
        command.add_argument("--kind", choices=sorted(KINDS), default="carbon")
        command.add_argument("--weeks", type=int, default=4, help="how many last weeks are held back to judge it; 0: it is not judged, and used as it is")
        command.add_argument("--threads", type=int, default=0, help="of PyTorch; 0: as many as it likes")
        if name == "train":
            command.add_argument("--out", type=Path, help="PyTorch file")
            command.add_argument("--export", type=Path, help="JSON file")
        else:
            command.add_argument("--json", action="store_true")
    return parser


def _train(args: argparse.Namespace) -> int:
    from .evaluate import Verdict
    from .trained import judge, keep, train_on

    if args.out is None and args.export is None:
        raise ValueError("train needs --out FILE.pt or --export FILE.json")
    _threads(args.threads)
    found = _found(args)
    horizon, every = KINDS[args.kind]
    scores, judged = judge(found.series, horizon, every, args.weeks) if args.weeks > 0 else ({}, Verdict(True, "it was not judged"))
    print(f"{'it is used' if judged.use else 'IT IS NOT USED'}: {judged.reason}", file=sys.stderr)
    trained = train_on(args.kind, found.series, horizon, every, scores, judged, datetime.now(timezone.utc))
    if args.out is not None:
        keep(args.out, trained)
    if args.export is not None:
        _write(args.export, trained)
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from .evaluate import as_text
    from .trained import judge

    _threads(args.threads)
    horizon, every = KINDS[args.kind]
    scores, judged = judge(_found(args).series, horizon, every, args.weeks)
    if args.json:
        plain = {zone: {name: asdict(score) for name, score in of.items()} for zone, of in scores.items()}
        print(json.dumps({"verdict": asdict(judged), "scores": plain}))
    else:
        print(as_text(scores))
        print(f"{'it is used' if judged.use else 'it is not used'}: {judged.reason}")
    return 0


def _export(args: argparse.Namespace) -> int:
    from .trained import load

    _write(args.out, load(args.trained))
    return 0


def _found(args: argparse.Namespace):  # type: ignore[no-untyped-def]
    found = read_folder(args.data, FILES[args.kind])
    since, until = span_of(found.series)
    print(f"{len(found.series)} series, {(until - since) / HOUR / 24:.0f} days from first to last", file=sys.stderr)
    for what, times in found.oddities.items():
        print(f"  {times} {what}", file=sys.stderr)
    return found


def _write(path: Path, trained) -> None:  # type: ignore[no-untyped-def]
    from .export import write

    write(str(path), trained)
    print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB)", file=sys.stderr)


def _threads(count: int) -> None:
    import torch

    if count > 0:
        torch.set_num_threads(count)


def entry() -> None:
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    entry()
