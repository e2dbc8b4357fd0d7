"""The exported model: one JSON file of plain numbers, read by `src/engine/forecaster/parse.ts`. Change one, change both.

`formatVersion` goes up with every change that an older reader would get wrong. The parity cases are windows with what this
package makes of them: the reader's tests (and the reader itself, when it loads a model) compute them again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import torch

from . import __version__
from .evaluate import Score, Verdict
from .fit import Samples
from .history import Series
from .model import WindowModel
from .windows import WEEK_HOURS

FORMAT = "nerve-forecast-model"
FORMAT_VERSION = 1
PARITY_CASES = 3
DIGITS = 7


def document(
    kind: str,
    model: WindowModel,
    samples: Samples,
    series: Sequence[Series],
    span: Tuple[int, int],
    scores: Mapping[str, Mapping[str, Score]],
    judged: Verdict,
    created: datetime,
) -> Dict[str, Any]:
    """Weights are rounded first, and the parity cases are computed with what was rounded."""
    _round(model)
    return {
        "format": FORMAT,
        "formatVersion": FORMAT_VERSION,
        "kind": kind,
        "createdAt": _instant(created.timestamp()),
        "trainedBy": f"nerve_forecaster {__version__}",
        "trainingSpan": {"from": _instant(span[0]), "to": _instant(span[1])},
        "verdict": asdict(judged),
        "model": {
            "windowHours": WEEK_HOURS,
            "horizonHours": model.horizon,
            "base": model.base,
            "weights": [_floats(row) for row in model.linear.weight],
            "bias": _floats(model.linear.bias),
            "quantiles": list(model.quantiles),
            "offset": [_floats(row) for row in model.offset],
            "slope": [_floats(row) for row in model.slope],
        },
        "card": {
            "zones": sorted({s.zone for s in series}),
            "windows": len(samples),
            "normalisation": "less the window's mean, over its spread (at least 2 % of the mean)",
            "intendedUse": "choosing when a deadline-bound job runs; one model for all zones, it knows no names and no calendar",
            "limits": "it knows the last week only: no weather forecast, no holidays, no outages",
            "scores": {zone: {name: _score(score) for name, score in of.items()} for zone, of in scores.items()},
        },
        "parity": _parity(model, samples),
    }


def write(path: str, content: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, separators=(",", ":"), allow_nan=False)
        file.write("\n")


def _round(model: WindowModel) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.tensor([float(f"{v:.{DIGITS}g}") for v in parameter.flatten().tolist()], dtype=parameter.dtype).reshape(parameter.shape))


def _parity(model: WindowModel, samples: Samples) -> List[Dict[str, Any]]:
    chosen = torch.linspace(0, len(samples) - 1, PARITY_CASES).long()
    hours = torch.tensor([[float(f"{v:.6g}") for v in row] for row in samples.hours[chosen].tolist()], dtype=torch.float64)
    current = torch.tensor([float(f"{v:.6g}") for v in samples.current[chosen].tolist()], dtype=torch.float64)
    with torch.no_grad():
        point, quantiles = model(hours, current)
    return [
        {"hours": hours[i].tolist(), "current": float(current[i]), "point": _floats(point[i]), "quantiles": [_floats(q) for q in quantiles[i]]}
        for i in range(len(chosen))
    ]


def _floats(values: torch.Tensor) -> List[float]:
    return [float(f"{v:.10g}") for v in values.detach().tolist()]


def _score(score: Score) -> Dict[str, Any]:
    return {name: float(f"{value:.6g}") for name, value in asdict(score).items()}


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
