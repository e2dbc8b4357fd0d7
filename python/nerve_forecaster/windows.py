"""One forecast's view of a series: the last 168 hours and the reading of now, and what came after.

Whatever the series' step is, a window is hourly means whose last hour ends at the `edge`: the end of the step that now lies
in. The engine builds the same window (`src/engine/forecaster/window.ts`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

from .history import HOUR, Series

WEEK_HOURS = 168
DAY_HOURS = 24
"""More gaps than this share of the week, or of the last six hours, and there is no window."""
MOST_GAPS = 0.2
RECENT_HOURS = 6


@dataclass(frozen=True)
class Window:
    """`hours`: oldest first, no gaps. `current`: the reading of now. `edge`: seconds since 1970."""

    hours: Sequence[float]
    current: float
    edge: int


@dataclass(frozen=True)
class Origin:
    """A window and what came after it."""

    window: Window
    target: Sequence[float]


def hourly(series: Series) -> list[float]:
    """At each edge (index 0 is one step after the start): the mean of the hour that ends there; NaN where it is not known."""
    per_hour = max(1, HOUR // series.step)
    means: list[float] = []
    for edge in range(1, len(series.values) + 1):
        known = [v for v in series.values[max(0, edge - per_hour) : edge] if not math.isnan(v)]
        means.append(sum(known) / len(known) if known and edge >= per_hour else math.nan)
    return means


def window_at(series: Series, means: Sequence[float], index: int) -> Optional[Window]:
    """The window whose step of now is `index`; None where too little is known."""
    per_hour = max(1, HOUR // series.step)
    first = index - (WEEK_HOURS - 1) * per_hour
    if first < 0:
        return None
    hours = fill([means[first + j * per_hour] for j in range(WEEK_HOURS)])
    if hours is None:
        return None
    current = series.values[index]
    return Window(hours, hours[-1] if math.isnan(current) else current, series.start + (index + 1) * series.step)


def fill(hours: Sequence[float]) -> Optional[list[float]]:
    """A gap is bridged by the mean of the same hour on the other days, else by the week's mean. None: too many gaps."""
    known = [v for v in hours if not math.isnan(v)]
    recent = [v for v in hours[-RECENT_HOURS:] if not math.isnan(v)]
    if len(known) < (1 - MOST_GAPS) * len(hours) or not recent:
        return None
    if len(known) == len(hours):
        return list(hours)
    overall = sum(known) / len(known)
    filled = []
    for j, value in enumerate(hours):
        if math.isnan(value):
            same = [v for v in hours[j % DAY_HOURS :: DAY_HOURS] if not math.isnan(v)]
            value = sum(same) / len(same) if same else overall
        filled.append(value)
    return filled


def origins(series: Series, horizon: int, every: int = HOUR, since: Optional[int] = None, until: Optional[int] = None) -> Iterator[Origin]:
    """Every origin whose window and target are known, one each `every` seconds; `since` and `until` bound its edge."""
    means = hourly(series)
    per_hour = max(1, HOUR // series.step)
    for index in range((WEEK_HOURS - 1) * per_hour, len(means) - horizon * per_hour, max(1, every // series.step)):
        edge = series.start + (index + 1) * series.step
        if (since is not None and edge < since) or (until is not None and edge >= until):
            continue
        target = [means[index + h * per_hour] for h in range(1, horizon + 1)]
        if any(math.isnan(v) for v in target):
            continue
        window = window_at(series, means, index)
        if window is not None:
            yield Origin(window, target)
