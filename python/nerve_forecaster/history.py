"""Reads stored history into evenly spaced series, and says what was wrong with it.

Two kinds of file, each also gzipped:

* carbon: JSON `{"zone": "FR", "blocks": [{"start": "2020-01-01T00:00:00Z", "stepSeconds": 1800, "gCO2_per_kWh": [...]}]}`;
* prices: CSV of change points `zone,timestamp,usd_per_hour`, one file an instance type. A price holds until the next one, at
  most a week: then nobody was looking.

What is no reading (null, NaN, a price that is not above 0) becomes a gap. Change points may come in any order; of two at one
instant the later line counts. Nothing is invented here: gaps stay gaps, and `fill` says how a window bridges them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Iterable, Sequence

HOUR = 3600
PRICE_STEP = HOUR
LONGEST_HOLD = 7 * 24 * HOUR
GAP = math.nan


@dataclass(frozen=True)
class Series:
    """`values[i]` covers [start + i*step, start + (i+1)*step), seconds since 1970; a gap is NaN."""

    name: str
    zone: str
    start: int
    step: int
    values: Sequence[float]

    @property
    def end(self) -> int:
        return self.start + self.step * len(self.values)


@dataclass
class Found:
    """What a folder holds, and every oddity that was met, counted by sentence."""

    series: list[Series] = field(default_factory=list)
    oddities: dict[str, int] = field(default_factory=dict)

    def odd(self, what: str, times: int = 1) -> None:
        if times > 0:
            self.oddities[what] = self.oddities.get(what, 0) + times


class HistoryError(ValueError):
    """A file that is not history at all; the message names it and what was expected."""


def read_folder(folder: Path, kind: str) -> Found:
    """Every file of that kind in the folder, in the order of names."""
    endings = (".json", ".json.gz") if kind == "carbon" else (".csv", ".csv.gz")
    paths = sorted(path for path in folder.iterdir() if path.name.endswith(endings)) if folder.is_dir() else []
    if not paths:
        raise HistoryError(f"There is no {kind} history in {folder}: it needs files that end in {' or '.join(endings)}.")
    found = Found()
    for path in paths:
        read = read_carbon if kind == "carbon" else read_prices
        found.series += read(path.name, text_of(path), found)
    return found


def text_of(path: Path) -> str:
    data = path.read_bytes()
    try:
        return (gzip.decompress(data) if path.name.endswith(".gz") else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path} cannot be read: {error}.") from error


def read_carbon(name: str, text: str, found: Found) -> list[Series]:
    try:
        pack = json.loads(text)
        zone, blocks = str(pack["zone"]), list(pack["blocks"])
        series = [_block(f"{name}#{i}", zone, block, found) for i, block in enumerate(blocks)]
    except (ValueError, KeyError, TypeError) as error:
        raise HistoryError(f'{name} is no carbon history: it needs "zone" and "blocks" with "start", "stepSeconds" and "gCO2_per_kWh" ({error}).') from error
    return series


def _block(name: str, zone: str, block: dict[str, object], found: Found) -> Series:
    step = int(block["stepSeconds"])  # type: ignore[call-overload]
    if step <= 0 or step > HOUR or HOUR % step != 0:
        raise ValueError(f"stepSeconds {step} does not divide an hour")
    raw = list(block["gCO2_per_kWh"])  # type: ignore[call-overload]
    values = [number(value) for value in raw]
    values = [GAP if value < 0 else value for value in values]
    found.odd("readings that are no number, or below 0", sum(math.isnan(value) for value in values))
    return Series(name, zone, instant(str(block["start"])), step, values)


def read_prices(name: str, text: str, found: Found) -> list[Series]:
    points: dict[str, dict[int, float]] = {}
    newest: dict[str, int] = {}
    for row in csv.DictReader(io.StringIO(text)):
        try:
            zone, at = row["zone"], instant(row["timestamp"])
        except (KeyError, ValueError, TypeError) as error:
            raise HistoryError(f"{name} is no price history: it needs the columns zone, timestamp, usd_per_hour ({error}).") from error
        usd = number(row.get("usd_per_hour"))
        if not usd > 0:
            found.odd("prices that are not above 0")
            continue
        of_zone = points.setdefault(zone, {})
        found.odd("prices that came out of order", int(at < newest.get(zone, at)))
        found.odd("repeated instants", int(at in of_zone))
        newest[zone] = max(at, newest.get(zone, at))
        of_zone[at] = usd
    if not points:
        raise HistoryError(f"{name} holds no price.")
    # Zones of two instance types are two series of their own.
    kind = name.split(".csv")[0]
    return [held(f"{name}:{zone}", f"{kind} {zone}", sorted(of_zone.items()), found) for zone, of_zone in sorted(points.items())]


def held(name: str, zone: str, points: Sequence[tuple[int, float]], found: Found) -> Series:
    """Change points as an hourly series: of each hour the price at its beginning."""
    start = -(-points[0][0] // PRICE_STEP) * PRICE_STEP
    steps = max(0, (points[-1][0] - start) // PRICE_STEP + 1)
    values: list[float] = []
    index = 0
    for i in range(steps):
        at = start + i * PRICE_STEP
        while index + 1 < len(points) and points[index + 1][0] <= at:
            index += 1
        values.append(points[index][1] if at - points[index][0] <= LONGEST_HOLD else GAP)
    found.odd("hours without a price for more than a week", sum(math.isnan(value) for value in values))
    return Series(name, zone, start, PRICE_STEP, values)


def number(value: object) -> float:
    """NaN for what is no finite number."""
    try:
        read = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return GAP
    return read if math.isfinite(read) else GAP


def instant(text: str) -> int:
    """Seconds since 1970; without a zone it is UTC."""
    at = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return int((at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp())


def span_of(series: Iterable[Series]) -> tuple[int, int]:
    many = list(series)
    return min(s.start for s in many), max(s.end for s in many)
