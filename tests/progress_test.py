"""Speed and remaining time, on a clock of the test's own."""

from unittest import mock

from absl.testing import absltest

from tf_autoformer import progress


class MeterTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 100.0
        self.enter_context(
            mock.patch("time.monotonic", side_effect=lambda: self.now)
        )

    def test_speed_is_of_the_work_since_the_last_update(self):
        meter = progress.Meter(done=10, total=1000)
        self.now += 5
        self.assertEqual(meter.update(20), (2.0, "0:08:10"))
        self.now += 1
        self.assertEqual(meter.update(30), (10.0, "0:01:37"))

    def test_progress_is_due_half_a_minute_after_the_last_update(self):
        meter = progress.Meter(done=0, total=10)
        self.now += 30
        self.assertFalse(meter.due)
        self.now += 1
        self.assertTrue(meter.due)
        meter.update(1)
        self.assertFalse(meter.due)

    def test_a_pause_does_not_count(self):
        meter = progress.Meter(done=0, total=10)
        with meter.paused():
            self.now += 60
        self.now += 1
        self.assertEqual(meter.update(5), (5.0, "0:00:01"))

    def test_units_done_in_a_pause_do_not_count_for_the_speed(self):
        meter = progress.Meter(done=0, total=10)
        with meter.paused(units=2):
            self.now += 60
        self.now += 1
        self.assertEqual(meter.update(4), (2.0, "0:00:03"))


if __name__ == "__main__":
    absltest.main()
