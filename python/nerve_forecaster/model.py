"""The model: NLinear's idea (a linear map of the normalised window) on top of a baseline that is right on average.

    x        = (the week's 168 hourly means, and the reading of now) less their mean, over their spread
    point    = baseline + spread * (W x + b)
    quantile = point + spread * (offset + slope * volatility)        one head each, per hour ahead

One model serves every zone: it knows no names, no clock and no weekday, only the shape of a week. The exported JSON holds these
numbers and nothing else; `src/engine/forecaster/predict.ts` is the same arithmetic.
"""

from __future__ import annotations

from typing import Sequence, Tuple

import torch

from .windows import DAY_HOURS, WEEK_HOURS

BASES = ("profile", "last")
LEVEL_FADE_HOURS = 48.0
"""The spread of a week is never taken for less than this share of its mean: a flat week is no unit of length."""
LEAST_SPREAD = 0.02
FEATURES = WEEK_HOURS + 1


class WindowModel(torch.nn.Module):
    """`base`: "profile" (7-day mean with level) or "last" (the reading of now)."""

    def __init__(self, horizon: int, base: str, quantiles: Sequence[float]) -> None:
        super().__init__()
        assert base in BASES, base
        self.horizon, self.base, self.quantiles = horizon, base, tuple(quantiles)
        self.linear = torch.nn.Linear(FEATURES, horizon, dtype=torch.float64)
        self.offset = torch.nn.Parameter(torch.zeros(len(self.quantiles), horizon, dtype=torch.float64))
        self.slope = torch.nn.Parameter(torch.zeros(len(self.quantiles), horizon, dtype=torch.float64))
        torch.nn.init.zeros_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)

    def forward(self, hours: torch.Tensor, current: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """[n, 168] and [n] to the point forecast [n, horizon] and the quantiles [n, quantile, horizon], ascending."""
        mean, spread = scale_of(hours)
        point = baseline(hours, current, self.horizon, self.base) + spread * self.linear(features(hours, current, mean, spread))
        heads = self.offset + self.slope * volatility(hours, spread)[:, None, None]
        quantiles = point[:, None, :] + spread[:, :, None] * heads
        return point.clamp(min=0), quantiles.sort(dim=1).values.clamp(min=0)


def scale_of(hours: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    mean = hours.mean(dim=1, keepdim=True)
    spread = hours.std(dim=1, keepdim=True, correction=0)
    return mean, torch.maximum(spread, (LEAST_SPREAD * mean.abs()).clamp(min=1e-9))


def features(hours: torch.Tensor, current: torch.Tensor, mean: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    return (torch.cat([hours, current[:, None]], dim=1) - mean) / spread


def profile_of(hours: torch.Tensor) -> torch.Tensor:
    """[n, 24]: mean of each hour of the day; index 0 is the hour after the edge."""
    return hours.reshape(len(hours), WEEK_HOURS // DAY_HOURS, DAY_HOURS).mean(dim=1)


def baseline(hours: torch.Tensor, current: torch.Tensor, horizon: int, base: str) -> torch.Tensor:
    if base == "last":
        return current[:, None].expand(-1, horizon)
    profile = profile_of(hours)
    level = hours[:, -1:] - profile[:, -1:]
    ahead = torch.arange(horizon)
    fade = torch.exp(-(ahead + 1).to(hours.dtype) / LEVEL_FADE_HOURS)
    return profile[:, ahead % DAY_HOURS] + level * fade


def volatility(hours: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """[n]: how far the last day was from its profile, in spreads."""
    return ((hours[:, -DAY_HOURS:] - profile_of(hours)).abs() / spread).mean(dim=1)
