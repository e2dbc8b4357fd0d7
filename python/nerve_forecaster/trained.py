"""From history to a judged, exportable model; and the file that `train` keeps."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence, Tuple

import torch

from .evaluate import Score, Verdict, evaluate, holdout_of, verdict
from .export import document
from .fit import Samples, samples_of, train
from .history import HOUR, Series, span_of
from .model import BASES, WindowModel
from .windows import Window

Scores = Dict[str, Dict[str, Score]]
"""Around the weeks held back nothing is trained on, in any zone: one weather reaches several grids."""
EMBARGO = 2 * 24 * HOUR


def judge(series: Sequence[Series], horizon: int, every: int, weeks: int) -> Tuple[Scores, Verdict]:
    """Trains without each zone's last weeks, and compares on them. Raises where too little is left to train on."""
    spans = holdout_of(series, weeks)
    samples = samples_of(series, horizon, every)
    keep = torch.ones(len(samples), dtype=torch.bool)
    for since, until in spans.values():
        keep &= (samples.edge < since - EMBARGO) | (samples.edge > until + EMBARGO)
    scores = evaluate(series, horizon, predictor(train(samples.where(keep))), spans)
    return scores, verdict(scores, weeks)


def predictor(model: WindowModel):  # type: ignore[no-untyped-def]
    def predict(window: Window) -> Tuple[Sequence[float], Mapping[float, Sequence[float]]]:
        with torch.no_grad():
            hours = torch.tensor([list(window.hours)], dtype=torch.float64)
            point, quantiles = model(hours, torch.tensor([window.current], dtype=torch.float64))
        return point[0].tolist(), {level: quantiles[0, i].tolist() for i, level in enumerate(model.quantiles)}

    return predict


def train_on(
    kind: str, series: Sequence[Series], horizon: int, every: int, scores: Scores, judged: Verdict, created: datetime, bases: Sequence[str] = BASES
) -> Dict[str, Any]:
    """The document to export, fitted on everything."""
    samples: Samples = samples_of(series, horizon, every)
    return document(kind, train(samples, bases=bases), samples, series, span_of(series), scores, judged, created)


def keep(path: Path, trained: Mapping[str, Any]) -> None:
    """The weights as tensors (for those who go on in PyTorch), and the document."""
    weights = {name: torch.tensor(trained["model"][name], dtype=torch.float64) for name in ("weights", "bias", "offset", "slope")}
    torch.save({"document": dict(trained), "weights": weights}, path)


def load(path: Path) -> Dict[str, Any]:
    try:
        kept = torch.load(path, weights_only=True)
        return dict(kept["document"])
    except (KeyError, TypeError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} was not kept by train: {error}") from error
