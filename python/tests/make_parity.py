"""Makes the parity fixture of the engine's tests: `python python/tests/make_parity.py` (needs PyTorch), from synthetic data, twelve hours ahead.

One model on each base, in the format of the exporter.
"""

import os
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from support import PYTHON
from test_forecaster_torch import write_history

from nerve_forecaster.export import write
from nerve_forecaster.history import read_folder
from nerve_forecaster.model import BASES
from nerve_forecaster.trained import judge, train_on

FOLDER = os.path.join(os.path.dirname(PYTHON), "test", "engine", "forecaster")


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_history(folder, days=60)
        series = read_folder(Path(folder), "carbon").series
    scores, judged = judge(series, 12, 3 * 3600, 2)
    os.makedirs(FOLDER, exist_ok=True)
    for base in BASES:
        path = os.path.join(FOLDER, f"parity-{base}.json")
        write(path, train_on("carbon", series, 12, 3 * 3600, scores, judged, datetime(2026, 3, 2, 12, tzinfo=timezone.utc), [base]))
        print(f"wrote {path}: {judged.reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
