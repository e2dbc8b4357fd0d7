"""What a trained model has to beat. Each takes a window and answers `horizon` hourly values. Standard library only."""

from __future__ import annotations

import math
from typing import Callable, Mapping, Sequence

from .windows import DAY_HOURS, WEEK_HOURS, Window

Forecast = Callable[[Window, int], Sequence[float]]

LEVEL_FADE_HOURS = 48.0
SLOW_LEVEL_HOURS = 6
SLOW_FADE_HOURS = 24.0
BLEND_FADE_HOURS = 6.0


def profile_of(hours: Sequence[float]) -> list[float]:
    """Mean of each hour of the day; index 0 is the hour after the edge."""
    days = WEEK_HOURS // DAY_HOURS
    return [sum(hours[hour + DAY_HOURS * day] for day in range(days)) / days for hour in range(DAY_HOURS)]


def mean_with_level(window: Window, horizon: int) -> list[float]:
    """7-day mean of the hour of the day, corrected by the error of the last hour, which fades over two days."""
    profile = profile_of(window.hours)
    level = window.hours[-1] - profile[-1]
    return [profile[(h - 1) % DAY_HOURS] + level * math.exp(-h / LEVEL_FADE_HOURS) for h in range(1, horizon + 1)]


def mean_with_slow_level(window: Window, horizon: int) -> list[float]:
    """The same with the mean error of the last six hours, which fades over a day: smooth, so that now never fits to what comes."""
    profile = profile_of(window.hours)
    level = sum(window.hours[-j] - profile[-j] for j in range(1, SLOW_LEVEL_HOURS + 1)) / SLOW_LEVEL_HOURS
    return [profile[(h - 1) % DAY_HOURS] + level * math.exp(-h / SLOW_FADE_HOURS) for h in range(1, horizon + 1)]


def persistence(window: Window, horizon: int) -> list[float]:
    return [window.current] * horizon


def seasonal_naive(window: Window, horizon: int) -> list[float]:
    """The same hour a week ago."""
    return [window.hours[(h - 1) % WEEK_HOURS] for h in range(1, horizon + 1)]


def persistence_blend(window: Window, horizon: int) -> list[float]:
    """The reading of now, fading within hours into the mean of yesterday's and last week's same hour."""
    blended = []
    for h in range(1, horizon + 1):
        yesterday = window.hours[WEEK_HOURS - DAY_HOURS + (h - 1) % DAY_HOURS]
        usual = (yesterday + window.hours[(h - 1) % WEEK_HOURS]) / 2
        weight = math.exp(-h / BLEND_FADE_HOURS)
        blended.append(weight * window.current + (1 - weight) * usual)
    return blended


BASELINES: Mapping[str, Forecast] = {
    "7-day mean with level": mean_with_level,
    "7-day mean with slow level": mean_with_slow_level,
    "seasonal naive": seasonal_naive,
    "persistence blend": persistence_blend,
    "persistence": persistence,
}
