"""Subnets are measured in rounds, and what was measured is not again."""

import dataclasses
import pathlib
import statistics
from unittest import mock

from absl.testing import absltest

from tests.helpers import latencies
from tf_autoformer import errors
from tf_autoformer.latency import (
    measurements,
    measuring,
    models,
    network,
    runtimes,
    sample,
)
from tf_autoformer.space import search_space

SUBNETS = sample.draw(latencies.SPACE, 4, seed=0)


class FakeRuntime:
    """Models that take a time of their own on a clock of their own.

    Attributes:
      visited: Paths of the models that were loaded, in order.
      time: Seconds on the clock.
    """

    def __init__(self, milliseconds: dict[pathlib.Path, list[float]]):
        self._milliseconds = milliseconds
        self.visited: list[pathlib.Path] = []
        self.time = 0.0

    def load(self, runtime, path, threads):
        self.visited.append(path)
        times = iter(self._milliseconds[path])

        def run() -> None:
            self.time += next(times) / 1000

        return run

    def clock(self) -> float:
        return self.time


class MeasuringTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.create_tempdir().full_path)
        self.folder = models.ModelFolder(root / "models")
        self.folder.claim(latencies.NETWORK, 1)
        for each in SUBNETS:
            self.folder.add(each)
            self.folder.path(each, "onnx").touch()
        self.paths = [self.folder.path(each, "onnx") for each in SUBNETS]
        self.path = root / "latency.jsonl"

    def _measure(self, fake: FakeRuntime, rounds: int, **setting):
        found = measurements.Measurements(self.path)
        found.claim(latencies.setting(**setting))
        with (
            mock.patch.object(runtimes, "load", fake.load),
            mock.patch.dict(
                measuring._CLOCKS, {setting.get("clock", "wall"): fake.clock}
            ),
        ):
            measuring.measure(
                self.folder, SUBNETS, found, rounds, warm_up=1, runs=4
            )
        return found

    def test_times_are_those_of_the_runs_after_warm_up(self):
        slow = [99.0, 4.0, 2.0, 8.0, 3.0]
        fake = FakeRuntime(dict.fromkeys(self.paths, slow))
        found = self._measure(fake, rounds=1)
        (times,) = found.visits[SUBNETS[0]]
        self.assertEqual(times.minimum_ms, 2.0)
        self.assertEqual(times.median_ms, 3.5)
        self.assertEqual(times.quartiles_ms, (2.75, 5.0))
        self.assertEqual(times.runs, 4)

    def test_a_round_visits_each_subnet_in_an_order_of_its_own(self):
        fake = FakeRuntime(dict.fromkeys(self.paths, [1.0] * 5))
        self._measure(fake, rounds=3)
        rounds = [fake.visited[start : start + 4] for start in (0, 4, 8)]
        for each in rounds:
            self.assertCountEqual(each, self.paths)
        self.assertLen({tuple(each) for each in rounds}, 3)

    def test_killed_it_goes_on_where_it_was(self):
        fake = FakeRuntime(dict.fromkeys(self.paths, [1.0] * 5))
        self._measure(fake, rounds=2)
        whole = self.path.read_text()

        def killed(runtime, path, threads):
            if len(again.visited) == 6:
                raise KeyboardInterrupt
            return FakeRuntime.load(again, runtime, path, threads)

        self.path.unlink()
        again = FakeRuntime(dict.fromkeys(self.paths, [1.0] * 5))
        with (
            mock.patch.object(again, "load", killed),
            self.assertRaises(KeyboardInterrupt),
        ):
            self._measure(again, rounds=2)
        last = FakeRuntime(dict.fromkeys(self.paths, [1.0] * 5))
        self._measure(last, rounds=2)
        self.assertEqual(again.visited + last.visited, fake.visited)
        self.assertEqual(self.path.read_text(), whole)

    def test_the_setting_names_the_clock(self):
        fake = FakeRuntime(dict.fromkeys(self.paths, [1.0] * 5))
        found = self._measure(fake, rounds=1, clock="cpu")
        self.assertEqual(found.visits[SUBNETS[0]][0].median_ms, 1.0)


class ModelFolderTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)
        self.folder = models.ModelFolder(self.root)

    def test_models_are_those_with_an_architecture_beside(self):
        self.folder.claim(latencies.NETWORK, 2)
        self.folder.add(SUBNETS[0])
        self.folder.path(SUBNETS[0], "onnx").touch()
        self.folder.path(SUBNETS[1], "onnx").touch()  # Not described.
        self.assertEqual(
            self.folder.models("onnx"),
            {SUBNETS[0]: self.folder.path(SUBNETS[0], "onnx")},
        )
        self.assertEqual(self.folder.read_network(), (latencies.NETWORK, 2))
        with self.assertRaisesRegex(errors.InputError, r"no \*\.tflite"):
            self.folder.models("tflite")

    def test_another_network_or_batch_size_is_refused(self):
        self.folder.claim(latencies.NETWORK, 2)
        self.folder.claim(latencies.NETWORK, 2)
        with self.assertRaisesRegex(errors.InputError, "image_size 8, and not"):
            self.folder.claim(latencies.OTHER, 2)
        with self.assertRaisesRegex(errors.InputError, "batch_size is 1"):
            self.folder.claim(latencies.NETWORK, 1)

    def test_what_changes_no_latency_makes_no_other_network(self):
        self.assertEqual(
            network.of(
                dataclasses.replace(
                    latencies.MODEL, drop_path=0.5, init_stddev=0.1
                ),
                dataclasses.replace(
                    latencies.SPACE, published=("autoformer_t",)
                ),
            ),
            latencies.NETWORK,
        )


class SampleTest(absltest.TestCase):
    def test_it_reaches_from_end_to_end_and_begins_alike(self):
        space = latencies.SPACE
        many = sample.draw(space, 40, seed=1)
        self.assertLen(set(many), 40)
        self.assertEqual(many[:2], [space.smallest, space.largest])
        self.assertEqual(sample.draw(space, 15, seed=1), many[:15])
        for each in many:
            space.validate(each)

    def test_it_leans_further_than_uniform_draws(self):
        space = search_space.SEARCH_SPACES["tiny"]
        heads = [
            sum(each.num_heads) / each.depth
            for each in sample.draw(space, 202, seed=1)[2:]
        ]
        # Of 12 uniform blocks with 3 or 4 heads, the mean is 3.5 ± 0.14.
        self.assertGreater(statistics.pstdev(heads), 0.2)

    def test_a_small_space_has_no_more(self):
        space = search_space.SearchSpace((8, 16), (1,), (1,), (1.0,))
        self.assertLen(sample.draw(space, 9, seed=0), 2)


if __name__ == "__main__":
    absltest.main()
