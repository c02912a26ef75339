"""A search is what its flags say."""

import dataclasses
import pathlib
import shutil
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import options, tiny
from tf_autoformer import errors, files, rules, search
from tf_autoformer.analysis import search_board
from tf_autoformer.evaluation import generation, workers
from tf_autoformer.evolution import algorithm, candidates, drivers, selection
from tf_autoformer.latency import bound, winner
from tf_autoformer.serving import model_card, savedmodel
from tf_autoformer.space import constraint, cost
from tf_autoformer.supernet import compilation, parallel


def parse(*arguments: str) -> search.Options:
    return options.parse(search.Options, "--workdir=runs", *arguments)


class OptionsTest(absltest.TestCase):
    def test_every_field_of_the_evolution_is_a_flag_of_its_default(self):
        defined = options.defined(search.Options)
        for field in dataclasses.fields(algorithm.EvolutionConfig):
            flag = defined[field.name]
            if field.name == "objectives":
                self.assertEqual(flag.default, [])
                continue
            self.assertEqual(flag.default, field.default)
            kind = str if rules.choices(field) else field.type
            self.assertIs(type(flag.default), kind)

    def test_an_evolution_is_what_the_flags_say(self):
        self.assertEqual(
            parse(
                "--population=7", "--depth_probability=1", "--parents=3"
            ).evolution,
            algorithm.EvolutionConfig(
                population=7, depth_probability=1.0, parents=3
            ),
        )

    def test_every_driver_is_a_value_of_its_flag(self):
        for name in drivers.DRIVERS:
            found = parse(f"--driver={name}").evolution
            self.assertEqual(found.driver, name)

    def test_objectives_are_a_list(self):
        found = parse("--driver=nsga2", "--objectives=macs,accuracy").evolution
        self.assertEqual(found.objectives, ("macs", "accuracy"))

    def test_several_exports_need_a_front(self):
        self.assertEqual(parse().exports, 1)
        self.assertEqual(parse("--driver=nsga2", "--exports=3").exports, 3)
        with self.assertRaisesRegex(
            errors.InputError, "exports is 3; the driver evolution finds one"
        ):
            parse("--exports=3")

    def test_ranges_are_of_the_bounded_costs_alone(self):
        self.assertEqual(parse().ranges, {})
        self.assertEqual(
            parse("--max_params=6e6", "--min_macs=1e9").ranges,
            {
                "params": constraint.Range(None, 6e6),
                "macs": constraint.Range(1e9, None),
            },
        )

    def test_latency_is_bounded_and_read_from_a_file(self):
        found = parse("--max_latency_ms=3.5", "--latency=latency.jsonl")
        self.assertEqual(
            found.ranges, {"latency_ms": constraint.Range(None, 3.5)}
        )
        self.assertEqual(found.latency, pathlib.Path("latency.jsonl"))

    def test_a_minimum_above_its_maximum_is_an_input_error(self):
        with self.assertRaisesRegex(errors.InputError, "must not exceed"):
            parse("--min_params=2", "--max_params=1")

    def test_every_cost_can_be_bounded(self):
        for each in cost.COSTS:
            self.assertEqual(
                parse(f"--max_{each.name}=5").ranges,
                {each.name: constraint.Range(None, 5)},
            )


def _invented(_, architectures, *arguments, **options):
    """Answers that need not be counted."""
    return {
        each: np.arange(2_000) < cost.params(tiny.DIGITS_MODEL, each) % 2_000
        for each in architectures
    }


class ExportsTest(tiny.WorkdirTest):
    def setUp(self):
        super().setUp()
        self.exported = []
        self.origins = {}

        def export(_, architecture, source, folder, origin):
            self.origins[folder.name] = origin
            self.exported.append(folder.name)
            path = folder / "assets.extra" / "architecture.json"
            files.write_json(path, architecture.to_dict())

        for owner, name, value in (
            (compilation, "use", lambda *_: None),
            (parallel, "use_cores", lambda: None),
            (tf.distribute, "MirroredStrategy", tf.distribute.get_strategy),
            (generation, "answers", _invented),
            (savedmodel, "export", export),
        ):
            self.enter_context(mock.patch.object(owner, name, value))

    def _search(self, *arguments: str) -> None:
        search.main(
            options.parse(
                search.Options,
                f"--workdir={self.workdir.root}",
                f"--data_dir={self.data_dir}",
                *("--population=16", "--generations=1"),
                *(
                    "--driver=nsga2",
                    "--objectives=accuracy,macs",
                    "--exports=3",
                ),
                *arguments,
            )
        )

    def test_members_of_the_front_are_exported_each_as_a_version(self):
        folders = [self.workdir.export(version) for version in (5, 6, 7)]
        (folders[2] / "taken").mkdir(parents=True)
        folder = self.workdir.search("mine")
        with self.assertRaisesRegex(errors.InputError, "/7 exists already"):
            self._search("--name=mine", "--version=5")
        self.assertFalse(folder.root.exists())

        shutil.rmtree(folders[2])
        self._search("--name=mine", "--version=5")
        front = [c.architecture for c in candidates.read_front(folder.front)]
        self.assertGreater(len(front), 3)
        expected = [front[0], front[(len(front) - 1) // 2], front[-1]]
        self.assertEqual(front[0].to_dict(), files.read_json(folder.best))
        self.assertEqual(
            list(map(savedmodel.exported_architecture, folders)), expected
        )
        self.assertTrue(folder.picture("candidates_macs").is_file())
        best = candidates.read_front(folder.front)[0]
        self.assertEqual(
            self.origins["5"], model_card.Origin("digits", best.accuracy)
        )

        # As after a crash between two exports.
        shutil.rmtree(folders[1])
        self._search("--name=mine", "--version=5")
        self.assertEqual(self.exported, ["5", "6", "7", "6"])
        self.assertEqual(
            list(map(savedmodel.exported_architecture, folders)), expected
        )


class LatencyTest(tiny.WorkdirTest):
    def test_what_was_searched_further_before_is_not_measured_again(self):
        predicted = dataclasses.replace(tiny.LATENCY, name="latency_ms")
        chosen = mock.Mock()
        chosen.choose = selection.first
        for owner, name, value in (
            (compilation, "use", lambda *_: None),
            (parallel, "use_cores", lambda: None),
            (tf.distribute, "MirroredStrategy", tf.distribute.get_strategy),
            (generation, "answers", _invented),
            (savedmodel, "export", lambda *_, **__: None),
            (bound, "read", lambda *_: mock.Mock()),
            (bound, "predicted", lambda _: predicted),
            (winner, "Winner", lambda *_: chosen),
        ):
            self.enter_context(mock.patch.object(owner, name, value))
        shown = self.enter_context(
            mock.patch.object(search_board.SearchBoard, "show", autospec=True)
        )
        for generations in (2, 1):
            search.main(
                options.parse(
                    search.Options,
                    f"--workdir={self.workdir.root}",
                    f"--data_dir={self.data_dir}",
                    *("--population=4", "--crossovers=1", "--mutations=1"),
                    *("--name=further", f"--generations={generations}"),
                )
            )
        chosen.confirm.assert_called_once()
        (ranking,) = chosen.confirm.call_args.args
        self.assertLen(ranking, 6)
        # The last one again, after it was measured.
        sizes = [len(call.args[1]) for call in shown.call_args_list]
        self.assertEqual(sizes, [4, 6, 6])
        self.assertEqual(shown.call_args.args[0]._choose, selection.first)


class WorkersTest(tiny.WorkdirTest):
    def test_ray_actors_load_what_the_flags_say_and_evaluate(self):
        asked = []

        class Workers:
            def __init__(self, source, count):
                asked.append((source, count))

            def answers(self, architectures, step, told, tally):
                asked.append(step)
                return _invented(None, architectures)

        for owner, name, value in (
            (compilation, "use", lambda *_: None),
            (parallel, "use_cores", lambda: None),
            (tf.distribute, "MirroredStrategy", tf.distribute.get_strategy),
            (workers, "Workers", Workers),
            (savedmodel, "export", lambda *_, **__: None),
        ):
            self.enter_context(mock.patch.object(owner, name, value))
        search.main(
            options.parse(
                search.Options,
                f"--workdir={self.workdir.root}",
                f"--data_dir={self.data_dir}",
                *("--population=4", "--generations=1", "--name=ray"),
                *("--workers=ray", "--ray_actors=3", "--compile=off"),
                *("--compile_cache=", "--notf32"),
            )
        )
        source = workers.Source(
            self.workdir.root,
            self.data_dir,
            None,
            "validation",
            ("off", "", False),
        )
        step = self.workdir.trained(tf.distribute.get_strategy()).step
        self.assertEqual(asked, [(source, 3), step])

    def test_what_does_not_go_with_ray_is_refused(self):
        with self.assertRaisesRegex(errors.InputError, "workers is ray; .*rac"):
            parse("--workers=ray", "--racing")
        with self.assertRaisesRegex(errors.InputError, "ray_actors is 2; "):
            parse("--ray_actors=2")


if __name__ == "__main__":
    absltest.main()
