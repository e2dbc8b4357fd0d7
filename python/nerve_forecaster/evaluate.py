"""Rolling origin: a model that never saw the last weeks forecasts from every third hour of them, and so do the baselines.

The verdict that goes into the export is made here: a model that does not beat them is not used, and the card says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Sequence, Tuple

from .baselines import BASELINES, Forecast
from .history import HOUR, Series
from .metrics import SHAPES, Tally, coverage, mae, mase_scale, pinball
from .windows import Window, origins

DAY = 24 * HOUR
EVERY = 3 * HOUR
"""What a model must beat: what is used in its place, and the naive one."""
RIVALS = ("7-day mean with level", "seasonal naive")
MODEL = "model"

LEVELS = (0.1, 0.5, 0.9)
"""Point forecast, and quantiles by level."""
Predict = Callable[[Window], Tuple[Sequence[float], Mapping[float, Sequence[float]]]]


@dataclass(frozen=True)
class Score:
    """Of one forecast on one zone's last weeks."""

    origins: int
    mae: float
    mase: float
    pinball: float
    """Share of truths between the outer quantiles."""
    coverage: float
    regret: float
    share_of_perfect: float


def holdout_of(series: Sequence[Series], weeks: int) -> Dict[str, Tuple[int, int]]:
    """Each zone's last weeks, as (since, until); of a short history no more than its last quarter."""
    last: Dict[str, int] = {}
    first: Dict[str, int] = {}
    for one in series:
        last[one.zone] = max(one.end, last.get(one.zone, one.end))
        first[one.zone] = min(one.start, first.get(one.zone, one.start))
    return {zone: (end - min(weeks * 7 * DAY, (end - first[zone]) // 4), end + 1) for zone, end in last.items()}


def evaluate(series: Sequence[Series], horizon: int, predict: Predict, spans: Mapping[str, Tuple[int, int]]) -> Dict[str, Dict[str, Score]]:
    """zone -> name of the forecast -> score; zones whose span holds no origin are left out."""
    table: Dict[str, Dict[str, Score]] = {}
    for zone, (since, until) in spans.items():
        found = [o for s in series if s.zone == zone for o in origins(s, horizon, max(EVERY, s.step), since, until)]
        if not found:
            continue
        table[zone] = {name: _score(found, horizon, _certain(forecast, horizon)) for name, forecast in BASELINES.items()}
        table[zone][MODEL] = _score(found, horizon, predict)
    return table


def _certain(forecast: Forecast, horizon: int) -> Predict:
    """A baseline says no more than a point: each of its quantiles is that point."""

    def predict(window: Window) -> Tuple[Sequence[float], Mapping[float, Sequence[float]]]:
        point = forecast(window, horizon)
        return point, {level: point for level in LEVELS}

    return predict


def _score(found: List, horizon: int, predict: Predict) -> Score:  # type: ignore[type-arg]
    shapes = [shape for shape in SHAPES if shape.within <= horizon]
    tallies = [Tally() for _ in shapes]
    errors = scaled = lost = 0.0
    covered: List[float] = []
    for origin in found:
        point, quantiles = predict(origin.window)
        error = mae(point, origin.target)
        errors += error
        scaled += error / mase_scale(origin.window.hours)
        lost += sum(pinball(level, values, origin.target) for level, values in quantiles.items()) / len(quantiles)
        covered.append(coverage(quantiles[min(quantiles)], quantiles[max(quantiles)], origin.target))
        for tally, shape in zip(tallies, shapes):
            tally.add(point, origin.target, shape)
    n = len(found)
    return Score(
        n, errors / n, scaled / n, lost / n, sum(covered) / n,
        sum(t.regret for t in tallies) / len(tallies), sum(t.share_of_perfect for t in tallies) / len(tallies),
    )


@dataclass(frozen=True)
class Verdict:
    use: bool
    reason: str


def verdict(table: Mapping[str, Mapping[str, Score]], weeks: int) -> Verdict:
    """Over all zones alike: less regret and a smaller scaled error than each rival."""
    if not table:
        return Verdict(False, "there were no last weeks to compare it on")
    mean = lambda name, of: sum(of(scores[name]) for scores in table.values()) / len(table)  # noqa: E731
    figures = {name: (mean(name, lambda s: s.regret), mean(name, lambda s: s.mase)) for name in (MODEL, *RIVALS)}
    regret, error = figures[MODEL]
    for rival in RIVALS:
        if regret >= figures[rival][0] or error >= figures[rival][1]:
            return Verdict(
                False,
                f"on the last {weeks} weeks it does not beat the {rival}: regret {100 * regret:.2f} % against {100 * figures[rival][0]:.2f} %, "
                f"scaled error {error:.3f} against {figures[rival][1]:.3f}",
            )
    rival = min(RIVALS, key=lambda name: figures[name][0])
    return Verdict(True, f"on the last {weeks} weeks its regret is {100 * regret:.2f} %, that of the {rival} {100 * figures[rival][0]:.2f} %")


def as_text(table: Mapping[str, Mapping[str, Score]]) -> str:
    lines = [f"{'zone':<18} {'forecast':<22} {'origins':>7} {'MAE':>9} {'MASE':>7} {'pinball':>9} {'covered':>8} {'regret':>8} {'of perfect':>10}"]
    for zone, scores in table.items():
        for name, s in scores.items():
            lines.append(
                f"{zone:<18} {name:<22} {s.origins:>7} {s.mae:>9.4g} {s.mase:>7.3f} {s.pinball:>9.4g} {100 * s.coverage:>6.0f} % {100 * s.regret:>6.2f} % {100 * s.share_of_perfect:>8.1f} %"
            )
    return "\n".join(lines)
