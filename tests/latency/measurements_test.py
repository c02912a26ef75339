"""A file of latencies: what it holds, refuses and makes of its visits."""

import pathlib

from absl.testing import absltest

from tests.helpers import latencies
from tf_autoformer import errors
from tf_autoformer.latency import measurements

SPACE = latencies.SPACE
TIMES = measurements.Times


class MeasurementsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = folder / "latency.jsonl"

    def _written(self) -> measurements.Measurements:
        found = measurements.Measurements(self.path)
        found.claim(latencies.SETTING)
        # 10, of runs that took 10 to 16; then 8; one of 20.
        found.append(SPACE.smallest, TIMES(12.0, (11.0, 14.0), 10.0, 5))
        found.append(SPACE.largest, TIMES(25.0, (20.0, 25.0), 20.0, 5))
        found.append(SPACE.smallest, TIMES(9.0, (9.0, 9.0), 8.0, 5))
        return found

    def test_it_is_read_as_it_was_written(self):
        written = self._written()
        found = measurements.Measurements(self.path)
        self.assertEqual(found.setting, latencies.SETTING)
        self.assertEqual(found.visits, written.visits)
        self.assertEqual(found.digest, written.digest)
        self.assertEqual(
            found.latencies, {SPACE.smallest: 8.0, SPACE.largest: 20.0}
        )

    def test_noise_compares_visits_and_spread_runs(self):
        found = self._written()
        self.assertAlmostEqual(found.noise, 2 / 9)  # 10 and 8.
        self.assertAlmostEqual(found.spread, (3 / 12 + 5 / 25 + 0) / 3)

    def test_one_visit_tells_no_noise(self):
        found = measurements.Measurements(self.path)
        found.claim(latencies.SETTING)
        found.append(SPACE.smallest, TIMES(1.0, (1.0, 1.0), 1.0, 1))
        self.assertIsNone(found.noise)

    def test_a_torn_line_is_dropped_and_written_again(self):
        whole = self._written()
        content = self.path.read_bytes()
        self.path.write_bytes(content[:-10])
        found = measurements.Measurements(self.path)
        self.assertLen(found.visits[SPACE.smallest], 1)
        found.append(SPACE.smallest, whole.visits[SPACE.smallest][1])
        self.assertEqual(self.path.read_bytes(), content)

    def test_a_damaged_line_is_named(self):
        self._written()
        with self.path.open("a") as file:
            file.write('{"median_ms": 3}\n')
        with self.assertRaisesRegex(errors.InputError, "jsonl, line 5: "):
            measurements.Measurements(self.path)

    def test_another_setting_is_refused(self):
        found = self._written()
        for values, message in (
            ({"threads": 2}, "threads 1, now it is 2"),
            ({"clock": "cpu"}, "clock 'wall', now it is 'cpu'"),
            ({"network": latencies.OTHER}, "image_size 8, and not 12"),
        ):
            with self.assertRaisesRegex(errors.InputError, message):
                found.claim(latencies.setting(**values))


if __name__ == "__main__":
    absltest.main()
