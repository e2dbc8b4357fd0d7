"""Training. The linear map is fitted in closed form (ridge), so it is the same on every machine and takes seconds; the quantile
heads by gradient descent on the pinball loss.

Guard against overfitting, since some months of a grid hold few independent days:

* time is cut into folds, the same instants for all zones (one weather reaches several grids), with three days left out around each;
* how strongly weights are held down is chosen by the error on the folds left out;
* each hour ahead is shrunk towards the baseline by what the folds left out say is real: skill fades, and so does the correction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence

import torch

from .history import HOUR, Series
from .model import BASES, FEATURES, WindowModel, baseline, features, scale_of, volatility
from .windows import origins

FOLDS = 4
EMBARGO = 3 * 24 * HOUR
RIDGES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
QUANTILES = (0.1, 0.5, 0.9)
LEAST_ORIGINS = 500
HEAD_ROWS = 4000


class TooLittleHistory(ValueError):
    """Not enough to train on; the message says how much there is and how much it takes."""


@dataclass(frozen=True)
class Samples:
    hours: torch.Tensor
    current: torch.Tensor
    target: torch.Tensor
    edge: torch.Tensor
    weight: torch.Tensor
    """The series that each row is of."""
    series: torch.Tensor

    def __len__(self) -> int:
        return len(self.edge)

    def where(self, mask: torch.Tensor) -> "Samples":
        return Samples(self.hours[mask], self.current[mask], self.target[mask], self.edge[mask], self.weight[mask], self.series[mask])


def samples_of(series: Sequence[Series], horizon: int, every: int) -> Samples:
    """Rows weigh the time they stand for, so that a series with finer steps counts no more."""
    rows = [(s, i, origin) for i, s in enumerate(series) for origin in origins(s, horizon, max(every, s.step))]
    if not rows:
        days = sum((s.end - s.start) for s in series) / HOUR / 24
        raise TooLittleHistory(f"{days:.0f} days of history hold no window to train on: a window is a week without many gaps, and what came after it.")
    as_tensor = lambda values: torch.tensor(values, dtype=torch.float64)  # noqa: E731
    return Samples(
        as_tensor([list(o.window.hours) for _, _, o in rows]),
        as_tensor([o.window.current for _, _, o in rows]),
        as_tensor([list(o.target) for _, _, o in rows]),
        torch.tensor([o.window.edge for _, _, o in rows]),
        as_tensor([max(every, s.step) / HOUR for s, _, _ in rows]),
        torch.tensor([i for _, i, _ in rows]),
    )


def train(samples: Samples, quantiles: Sequence[float] = QUANTILES, bases: Sequence[str] = BASES) -> WindowModel:
    """Chooses base, ridge and shrinkage on folds, then fits on everything."""
    if len(samples) < LEAST_ORIGINS:
        raise TooLittleHistory(f"There are {len(samples)} windows to train on; it takes {LEAST_ORIGINS}, about five weeks of hours.")
    horizon = samples.target.shape[1]
    folds = _folds(samples)
    best = min((_out_of_fold(samples, folds, base) for base in bases), key=lambda found: found.error)
    model = WindowModel(horizon, best.base, quantiles)
    weights = _ridge(_design(samples), _residual(samples, best.base), samples.weight, best.ridge)
    with torch.no_grad():
        model.linear.weight.copy_((weights[:-1] * best.shrink).T)
        model.linear.bias.copy_(weights[-1] * best.shrink)
    _fit_heads(model, samples, best)
    return model.eval()


@dataclass(frozen=True)
class OutOfFold:
    """What models that never saw a fold say of it, in spreads: `residual` is truth less baseline."""

    base: str
    ridge: float
    shrink: torch.Tensor
    predicted: torch.Tensor
    residual: torch.Tensor
    known: torch.Tensor
    error: float


def _folds(samples: Samples) -> List[torch.Tensor]:
    """Masks of rows; by quantiles of time, so that each holds as much."""
    bounds = torch.quantile(samples.edge.to(torch.float64), torch.linspace(0, 1, FOLDS + 1, dtype=torch.float64))
    return [(samples.edge >= bounds[f]) & (samples.edge <= bounds[f + 1]) for f in range(FOLDS)]


def _out_of_fold(samples: Samples, folds: Sequence[torch.Tensor], base: str) -> OutOfFold:
    design, residual = _design(samples), _residual(samples, base)
    best: Optional[OutOfFold] = None
    for ridge in RIDGES:
        predicted, known = torch.zeros_like(residual), torch.zeros(len(samples), dtype=torch.bool)
        for fold in folds:
            low, high = samples.edge[fold].min() - EMBARGO, samples.edge[fold].max() + EMBARGO
            rest = (samples.edge < low) | (samples.edge > high)
            if rest.sum() < LEAST_ORIGINS // 2:
                continue
            weights = _ridge(design[rest], residual[rest], samples.weight[rest], ridge)
            predicted[fold], known = design[fold] @ weights, known | fold
        if not known.any():
            raise TooLittleHistory("The history is too short to hold a part of it back while training; it takes about six weeks.")
        p, r, w = predicted[known], residual[known], samples.weight[known, None]
        shrink = _smooth(((w * p * r).sum(0) / (w * p * p).sum(0).clamp(min=1e-12)).clamp(0, 1))
        error = float((w * (p * shrink - r).abs()).sum() / w.sum() / r.shape[1])
        if best is None or error < best.error:
            best = OutOfFold(base, ridge, shrink, predicted, residual, known, error)
    assert best is not None
    return best


def _smooth(values: torch.Tensor, reach: int = 3) -> torch.Tensor:
    """Running mean: the shrinkage of one hour ahead is as noisy as the rest."""
    return torch.stack([values[max(0, i - reach) : i + reach + 1].mean() for i in range(len(values))])


def _design(samples: Samples) -> torch.Tensor:
    mean, spread = scale_of(samples.hours)
    x = features(samples.hours, samples.current, mean, spread)
    return torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)


def _residual(samples: Samples, base: str) -> torch.Tensor:
    _, spread = scale_of(samples.hours)
    return (samples.target - baseline(samples.hours, samples.current, samples.target.shape[1], base)) / spread


def _ridge(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, ridge: float) -> torch.Tensor:
    share = weight / weight.sum()
    weighted = x * share[:, None]
    return torch.linalg.solve(weighted.T @ x + ridge * torch.eye(FEATURES + 1, dtype=x.dtype), weighted.T @ y)


def _fit_heads(model: WindowModel, samples: Samples, best: OutOfFold, steps: int = 300) -> None:
    """On errors out of fold: a model's errors where it was fitted are too small. Two numbers a head need no more than some thousand rows."""
    known = torch.nonzero(best.known).flatten()
    known = known[:: max(1, len(known) // HEAD_ROWS)]
    error = (best.residual - best.predicted * best.shrink)[known][:, None, :]
    _, spread = scale_of(samples.hours[known])
    calm = volatility(samples.hours[known], spread)[:, None, None]
    share = (samples.weight[known] / samples.weight[known].sum())[:, None, None]
    levels = torch.tensor(model.quantiles, dtype=torch.float64)[None, :, None]
    optimiser = torch.optim.Adam([model.offset, model.slope], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        miss = error - (model.offset + model.slope * calm)
        loss = (share * torch.maximum(levels * miss, (levels - 1) * miss)).sum() / error.shape[2]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
