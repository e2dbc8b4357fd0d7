"""The forecaster's training, where PyTorch is installed."""

import importlib.util
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import unittest

from support import PYTHON

WITH_TORCH = importlib.util.find_spec("torch") is not None
WHY = "PyTorch is not installed (pip install './python[forecaster]')"


def write_history(folder, days=80, noise=3.0, seed=7):
    """A grid with a day, and weather that lasts for half a day: a slow wave that a model can learn and a mean cannot."""
    chance = random.Random(seed)
    for zone, phase in (("AA", 0), ("BB", 5)):
        weather, values = 0.0, []
        for hour in range(24 * days):
            weather = 0.97 * weather + chance.gauss(0, noise)
            values.append(round(max(1.0, 100 + 30 * math.sin(2 * math.pi * (hour + phase) / 24) + weather), 3))
        pack = {"zone": zone, "blocks": [{"start": "2026-01-01T00:00:00Z", "stepSeconds": 3600, "gCO2_per_kWh": values}]}
        with open(os.path.join(folder, f"{zone}.json"), "w", encoding="utf-8") as file:
            json.dump(pack, file)


def run(*arguments):
    env = {**os.environ, "PYTHONPATH": PYTHON}
    return subprocess.run([sys.executable, "-m", "nerve_forecaster", *arguments], env=env, capture_output=True, text=True, timeout=600)


@unittest.skipUnless(WITH_TORCH, WHY)
class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        write_history(cls.folder.name)
        cls.json, cls.kept = (os.path.join(cls.folder.name, name) for name in ("out.model", "out.pt"))
        cls.ran = run("train", "--data", cls.folder.name, "--out", cls.kept, "--export", cls.json, "--threads", "1")
        assert cls.ran.returncode == 0, cls.ran.stderr
        with open(cls.json, encoding="utf-8") as file:
            cls.model = json.load(file)

    def test_it_beats_the_baselines_where_there_is_something_to_learn(self):
        self.assertTrue(self.model["verdict"]["use"], self.model["verdict"]["reason"])
        for scores in self.model["card"]["scores"].values():
            self.assertLess(scores["model"]["mase"], scores["7-day mean with level"]["mase"])
            self.assertTrue(0.6 < scores["model"]["coverage"] < 0.95, scores["model"]["coverage"])

    def test_export_writes_what_train_kept(self):
        again = os.path.join(self.folder.name, "again.model")
        self.assertEqual(run("export", self.kept, "--out", again).returncode, 0)
        with open(again, encoding="utf-8") as file:
            self.assertEqual(json.load(file), self.model)

    def test_training_twice_gives_the_same_numbers(self):
        again = os.path.join(self.folder.name, "twice.model")
        self.assertEqual(run("train", "--data", self.folder.name, "--export", again, "--threads", "1").returncode, 0)
        with open(again, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["model"], self.model["model"])

    def test_the_parity_cases_are_what_the_plain_arithmetic_gives(self):
        for case in self.model["parity"]:
            for got, want in zip(plain_point(self.model["model"], case), case["point"]):
                self.assertAlmostEqual(got, want, places=6)

    def test_pure_noise_gives_a_model_that_says_not_to_use_it(self):
        with tempfile.TemporaryDirectory() as folder:
            chance = random.Random(3)
            values = [round(100 + chance.gauss(0, 10), 2) for _ in range(24 * 60)]
            with open(os.path.join(folder, "N.json"), "w", encoding="utf-8") as file:
                json.dump({"zone": "N", "blocks": [{"start": "2026-01-01", "stepSeconds": 3600, "gCO2_per_kWh": values}]}, file)
            out = os.path.join(folder, "n.model")
            ran = run("train", "--data", folder, "--export", out, "--threads", "1")
            self.assertEqual(ran.returncode, 0, ran.stderr)
            with open(out, encoding="utf-8") as file:
                verdict = json.load(file)["verdict"]
            self.assertEqual(verdict["use"], "IT IS NOT USED" not in ran.stderr)

    def test_too_little_history_is_refused_with_what_it_takes(self):
        with tempfile.TemporaryDirectory() as folder:
            write_history(folder, days=12)
            ran = run("train", "--data", folder, "--export", os.path.join(folder, "x.model"))
            self.assertEqual(ran.returncode, 1)
            self.assertIn("it takes", ran.stderr)
            self.assertNotIn("Traceback", ran.stderr)


def plain_point(model, case):
    """The point forecast without PyTorch."""
    hours, current = case["hours"], case["current"]
    mean = sum(hours) / len(hours)
    spread = max(math.sqrt(sum((v - mean) ** 2 for v in hours) / len(hours)), 0.02 * abs(mean), 1e-9)
    x = [(v - mean) / spread for v in (*hours, current)]
    profile = [sum(hours[h::24]) / 7 for h in range(24)]
    level = hours[-1] - profile[-1]
    point = []
    for h in range(1, model["horizonHours"] + 1):
        base = current if model["base"] == "last" else profile[(h - 1) % 24] + level * math.exp(-h / 48)
        learned = sum(w * v for w, v in zip(model["weights"][h - 1], x)) + model["bias"][h - 1]
        point.append(max(0.0, base + spread * learned))
    return point


if __name__ == "__main__":
    unittest.main()
