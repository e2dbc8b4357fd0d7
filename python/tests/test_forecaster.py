"""The forecaster without PyTorch: history as it comes, windows, baselines, metrics."""

import gzip
import json
import math
import os
import tempfile
import unittest
from pathlib import Path

import support  # noqa: F401  (puts the packages on the path)
from nerve_forecaster.baselines import BASELINES, mean_with_level, persistence_blend, seasonal_naive
from nerve_forecaster.evaluate import MODEL, RIVALS, Score, verdict
from nerve_forecaster.history import HOUR, Found, HistoryError, Series, instant, read_carbon, read_folder, read_prices
from nerve_forecaster.metrics import Shape, Tally, chosen, coverage, mase_scale, pinball
from nerve_forecaster.windows import Window, hourly, origins, window_at

DAY = [50 + 20 * math.sin(2 * math.pi * hour / 24) for hour in range(24)]


def carbon(values, start="2026-01-01T00:00:00Z", step=HOUR, zone="FR"):
    return json.dumps({"zone": zone, "blocks": [{"start": start, "stepSeconds": step, "gCO2_per_kWh": values}]})


def days(count, step=HOUR):
    per_hour = HOUR // step
    return Series("test", "FR", instant("2026-01-01T00:00:00Z"), step, [DAY[i // per_hour % 24] for i in range(24 * per_hour * count)])


class Histories(unittest.TestCase):
    def test_what_is_no_reading_becomes_a_gap_and_is_counted(self):
        found = Found()
        (series,) = read_carbon("x.json", carbon([40, None, "NaN", -3, 41.5]), found)
        self.assertEqual([math.isnan(v) for v in series.values], [False, True, True, True, False])
        self.assertEqual(list(found.oddities.values()), [3])

    def test_a_step_that_does_not_divide_an_hour_is_refused(self):
        with self.assertRaisesRegex(HistoryError, "does not divide an hour"):
            read_carbon("x.json", carbon([1, 2], step=2500), Found())

    def test_a_file_that_is_no_history_is_refused_with_its_name(self):
        for text in ("not json", "[]", '{"zone": "FR"}', '{"zone": "FR", "blocks": [{"start": "when?", "stepSeconds": 3600, "gCO2_per_kWh": []}]}'):
            with self.assertRaisesRegex(HistoryError, "x.json is no carbon history"):
                read_carbon("x.json", text, Found())

    def test_prices_may_come_twice_out_of_order_and_negative(self):
        rows = ["a,2026-01-01T05:00:00Z,0.5", "a,2026-01-01T00:00:00Z,0.3", "a,2026-01-01T05:00:00Z,0.6", "a,2026-01-01T03:00:00Z,-1", "a,2026-01-01T07:30:00Z,0.7"]
        found = Found()
        (series,) = read_prices("p3.csv", "zone,timestamp,usd_per_hour\n" + "\n".join(rows), found)
        self.assertEqual(list(series.values), [0.3] * 5 + [0.6] * 3)
        self.assertEqual(found.oddities, {"prices that came out of order": 1, "repeated instants": 1, "prices that are not above 0": 1})

    def test_zones_that_appear_later_are_series_of_their_own(self):
        text = "zone,timestamp,usd_per_hour\na,2026-01-01T00:00:00Z,0.5\nb,2026-01-02T00:00:00Z,0.4\na,2026-01-03T00:00:00Z,0.5\nb,2026-01-03T00:00:00Z,0.4\n"
        series = read_prices("p3.csv", text, Found())
        self.assertEqual([(s.zone, len(s.values)) for s in series], [("p3 a", 49), ("p3 b", 25)])

    def test_a_price_that_nobody_looked_at_for_a_week_is_a_gap(self):
        found = Found()
        (series,) = read_prices("p3.csv", "zone,timestamp,usd_per_hour\na,2026-01-01T00:00:00Z,0.5\na,2026-01-10T00:00:00Z,0.4\n", found)
        self.assertEqual(sum(math.isnan(v) for v in series.values), 47)

    def test_an_empty_folder_and_a_broken_archive_say_what_is_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(HistoryError, "no carbon history"):
                read_folder(Path(folder), "carbon")
            with open(os.path.join(folder, "FR.json.gz"), "wb") as file:
                file.write(gzip.compress(carbon([1]).encode())[:-9])
            with self.assertRaisesRegex(HistoryError, "cannot be read"):
                read_folder(Path(folder), "carbon")


class Windows(unittest.TestCase):
    def test_quarter_hours_and_hours_give_the_same_windows(self):
        fine, coarse = days(9, 900), days(9)
        a = window_at(fine, hourly(fine), 24 * 8 * 4 - 1)
        b = window_at(coarse, hourly(coarse), 24 * 8 - 1)
        self.assertEqual((a.hours, a.current, a.edge), (b.hours, b.current, b.edge))

    def test_a_gap_is_bridged_by_the_same_hour_of_other_days(self):
        series = days(8)
        values = list(series.values)
        values[100] = math.nan
        gappy = Series(series.name, series.zone, series.start, HOUR, values)
        window = window_at(gappy, hourly(gappy), 190)
        for got, want in zip(window.hours, window_at(series, hourly(series), 190).hours):
            self.assertAlmostEqual(got, want)

    def test_too_many_gaps_or_no_recent_reading_is_no_window(self):
        for gaps in (range(40, 120), range(184, 191)):
            series = days(8)
            values = [math.nan if i in gaps else v for i, v in enumerate(series.values)]
            gappy = Series("x", "FR", series.start, HOUR, values)
            self.assertIsNone(window_at(gappy, hourly(gappy), 190))

    def test_an_origin_knows_nothing_of_its_target(self):
        series = days(12)
        for origin in origins(series, 48):
            end = (origin.window.edge - series.start) // HOUR
            self.assertEqual(list(origin.window.hours), list(series.values[end - 168 : end]))
            self.assertEqual(list(origin.target), list(series.values[end : end + 48]))


class Baselines(unittest.TestCase):
    def test_a_day_that_repeats_is_forecast_without_error(self):
        series = days(9)
        window = window_at(series, hourly(series), 24 * 8 - 1)
        for forecast in (mean_with_level, seasonal_naive):
            for got, want in zip(forecast(window, 48), DAY * 2):
                self.assertAlmostEqual(got, want)

    def test_a_shift_of_the_level_fades_over_two_days(self):
        window = Window([10.0] * 167 + [17.0], 17.0, 0)
        self.assertAlmostEqual(mean_with_level(window, 30)[18], 10 + 6 * math.exp(-19 / 48))

    def test_the_blend_starts_at_the_reading_of_now(self):
        blend = persistence_blend(Window([10.0] * 168, 40.0, 0), 48)
        self.assertGreater(blend[0], 30)
        self.assertAlmostEqual(blend[47], 10, delta=0.02)

    def test_every_baseline_answers_every_hour(self):
        window = Window(DAY * 7, 50.0, 0)
        self.assertEqual({len(forecast(window, 48)) for forecast in BASELINES.values()}, {48})


class Metrics(unittest.TestCase):
    def test_a_piece_is_one_stretch_and_pieces_are_the_best_hours(self):
        ahead = [5, 1, 9, 1, 2, 2]
        self.assertEqual(chosen(ahead, Shape(2, 6, False)), [3, 4])
        self.assertEqual(chosen(ahead, Shape(2, 6, True)), [1, 3])

    def test_knowing_everything_has_no_regret_and_the_whole_saving(self):
        tally = Tally()
        tally.add([5, 1, 9], [5, 1, 9], Shape(1, 3, True))
        self.assertEqual((tally.regret, tally.share_of_perfect), (0, 1))
        tally.add([1, 5, 9], [5, 1, 9], Shape(1, 3, True))
        self.assertEqual((tally.regret, tally.share_of_perfect), (0.4, 0.5))

    def test_pinball_coverage_and_the_scale_of_mase(self):
        self.assertAlmostEqual(pinball(0.9, [10], [12]), 1.8)
        self.assertAlmostEqual(pinball(0.9, [10], [8]), 0.2)
        self.assertEqual(coverage([1, 1], [2, 2], [1.5, 3]), 0.5)
        self.assertEqual(mase_scale([10.0] * 168), 0.1)

    def test_a_model_that_does_not_beat_both_rivals_is_not_used(self):
        score = lambda regret, mase: Score(1, 1.0, mase, 1.0, 0.8, regret, 0.5)  # noqa: E731
        table = {"FR": {MODEL: score(0.04, 0.8), RIVALS[0]: score(0.05, 0.9), RIVALS[1]: score(0.06, 1.0)}}
        self.assertTrue(verdict(table, 4).use)
        for name, worse in ((RIVALS[0], score(0.04, 0.9)), (RIVALS[1], score(0.06, 0.7))):
            beaten = verdict({"FR": {**table["FR"], name: worse}}, 4)
            self.assertFalse(beaten.use)
            self.assertIn(name, beaten.reason)
        self.assertFalse(verdict({}, 4).use)


if __name__ == "__main__":
    unittest.main()
