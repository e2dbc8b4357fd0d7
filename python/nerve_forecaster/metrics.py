"""How good forecasts are, and what a job loses by them. Standard library only.

Regret is the one that counts: a job of some hours has to be done within some more; it runs in the hours that the forecast
calls best, and regret is what it pays above the hours that were best, as a share of what it pays when it starts at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence


@dataclass(frozen=True)
class Shape:
    """`hours` of work within `within` hours; in one piece, or in pieces."""

    hours: int
    within: int
    in_pieces: bool

    @property
    def name(self) -> str:
        return f"{self.hours} h in {self.within} h, {'in pieces' if self.in_pieces else 'in one piece'}"


SHAPES = tuple(Shape(hours, within, pieces) for hours, within in ((2, 12), (4, 24), (8, 24), (12, 48)) for pieces in (False, True))


def chosen(forecast: Sequence[float], shape: Shape) -> list[int]:
    """The hours (0 is the first) that look best; of equals the earlier."""
    ahead = forecast[: shape.within]
    if shape.in_pieces:
        return sorted(sorted(range(len(ahead)), key=lambda i: (ahead[i], i))[: shape.hours])
    starts = range(len(ahead) - shape.hours + 1)
    best = min(starts, key=lambda i: (round(sum(ahead[i : i + shape.hours]), 9), i))
    return list(range(best, best + shape.hours))


def paid(actual: Sequence[float], hours: Sequence[int]) -> float:
    return sum(actual[i] for i in hours)


@dataclass
class Tally:
    """Sums over origins; a job paid `now` for starting at once, `best` in hindsight, `got` with the forecast."""

    now: float = 0.0
    best: float = 0.0
    got: float = 0.0

    def add(self, forecast: Sequence[float], actual: Sequence[float], shape: Shape) -> None:
        self.now += paid(actual, range(shape.hours))
        self.best += paid(actual, chosen(actual, shape))
        self.got += paid(actual, chosen(forecast, shape))

    @property
    def regret(self) -> float:
        return (self.got - self.best) / self.now if self.now > 0 else 0.0

    @property
    def share_of_perfect(self) -> float:
        """Of the saving that perfect knowledge would bring."""
        return (self.now - self.got) / (self.now - self.best) if self.now > self.best else 1.0


def mae(forecast: Sequence[float], actual: Sequence[float]) -> float:
    return sum(abs(f - a) for f, a in zip(forecast, actual)) / len(actual)


def mase_scale(hours: Sequence[float], season: int = 24) -> float:
    """Mean error of "as yesterday" within the window: MASE is an error over this. Never less than a hundredth of the mean: a price that did not move is no scale."""
    naive = sum(abs(hours[i] - hours[i - season]) for i in range(season, len(hours))) / (len(hours) - season)
    return max(naive, 0.01 * abs(sum(hours)) / len(hours), 1e-12)


def pinball(quantile: float, forecast: Sequence[float], actual: Sequence[float]) -> float:
    return sum(max(quantile * (a - f), (quantile - 1) * (a - f)) for f, a in zip(forecast, actual)) / len(actual)


def coverage(low: Sequence[float], high: Sequence[float], actual: Sequence[float]) -> float:
    """Share of values between the two."""
    return sum(lo <= a <= hi for lo, hi, a in zip(low, high, actual)) / len(actual)
