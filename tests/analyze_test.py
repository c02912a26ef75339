"""A study is what its flags say."""

import dataclasses
import pathlib
from unittest import mock

from absl.testing import absltest

from tests.helpers import options
from tests.studies import fakes
from tf_autoformer import analyze, errors
from tf_autoformer.space import constraint
from tf_autoformer.studies import (
    ablation,
    comparison,
    ranking,
    sample,
    structure,
    supernets,
    tasks,
)
from tf_autoformer.supernet import compilation, parallel

STUDIES = {
    "ranking": ranking,
    "compare": comparison,
    "structure": structure,
    "ablation": ablation,
    "sample": sample,
}


def parse(*arguments: str) -> analyze.Options:
    return options.parse(
        analyze.Options, "--supernets=a,b", "--output=out", *arguments
    )


class AnalyzeTest(absltest.TestCase):
    def run_main(self, what, *arguments):
        """The call of the study, and the study it is given."""
        root = pathlib.Path(self.create_tempdir().full_path)
        groups = [fakes.group(root)]
        with (
            mock.patch.object(supernets, "read", return_value=groups) as read,
            mock.patch.object(compilation, "use"),
            mock.patch.object(parallel, "use_cores"),
            mock.patch.object(tasks, "Tasks") as made,
            mock.patch.object(
                STUDIES[what], "run", return_value=["a line"]
            ) as run,
            mock.patch("builtins.print") as printed,
        ):
            analyze.main(
                parse(f"--what={what}", f"--output={root}", *arguments)
            )
        if what != "structure":
            read.assert_called_once_with(("a", "b"))
        printed.assert_called_once_with("a line", flush=True)
        self.made, self.groups, self.root = made, groups, root
        return run.call_args.args

    def test_options_reach_the_study(self):
        study, count = self.run_main(
            "ranking",
            "--subnets=8",
            "--seed=3",
            "--max_params=4000",
            "--jobs=2",
            "--data_dir=data",
            "--log_every=7",
            "--compile=off",
            "--compile_cache=cache",
            "--notf32",
        )

        self.assertEqual(count, 8)
        self.assertEqual(study.groups, self.groups)
        self.assertEqual(study.folder, self.root)
        self.assertEqual(study.seed, 3)
        self.assertEqual(study.data_dir, "data")
        self.assertEqual(study.run.log_every, 7)
        self.assertEqual(study.ranges, {"params": constraint.Range(None, 4000)})
        self.made.assert_called_once_with(self.root, 2, ("off", "cache", False))
        self.assertIs(study.tasks, self.made.return_value)

    def test_defaults_of_each_question(self):
        for what, number in (
            ("ranking", 30),
            ("ablation", 20),
            ("sample", 1000),
        ):
            self.assertEqual(self.run_main(what)[1], number)
        _, latency, search = self.run_main("compare", "--latency=file.jsonl")
        self.assertEqual(latency, pathlib.Path("file.jsonl"))
        self.assertEqual(search, "compare")

    def test_structure_reads_the_searches_of_all_supernets(self):
        folders, output, best = self.run_main(
            "structure", "--search=mine", "--subnets=5"
        )

        self.assertEqual(
            [str(each.root) for each in folders],
            ["a/search/mine", "b/search/mine"],
        )
        self.assertEqual((output, best), (self.root, 5))

    def test_flags_that_a_question_does_not_use_are_refused(self):
        for what, flag, name in (
            ("compare", "--subnets=5", "subnets"),
            ("structure", "--max_params=5", "a bound on params"),
            ("ranking", "--latency=file", "latency"),
            ("sample", "--search=mine", "search"),
            ("compare", "--seed=1", "seed"),
        ):
            with self.assertRaisesRegex(
                errors.InputError,
                f"{name} is given; it is of no use with --what={what}",
            ):
                parse(f"--what={what}", flag)

    def test_supernets_are_needed(self):
        with self.assertRaisesRegex(errors.InputError, "supernets is empty"):
            parse("--what=sample", "--supernets=")

    def test_a_study_runs_on_one_machine(self):
        with self.assertRaisesRegex(errors.InputError, "one machine"):
            parse("--what=sample", "--strategy=multi_worker_mirrored")

    def test_every_field_has_a_question_that_uses_it(self):
        fields = {field.name for field in dataclasses.fields(analyze.Options)}
        self.assertLessEqual(set(analyze._USERS), fields)


if __name__ == "__main__":
    absltest.main()
