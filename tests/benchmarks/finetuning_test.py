"""The benchmark of fine-tuning trains by its commands and shows each seed."""

import contextlib
import io
import pathlib
from unittest import mock

from absl.testing import absltest

from benchmarks import commands, finetuning
from tests.helpers import tiny
from tf_autoformer import files


class FinetuningTest(absltest.TestCase):
    def test_the_table_has_each_seed_and_the_means(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        subnet = folder / "best.json"
        files.write_json(subnet, tiny.SPACE.smallest.to_dict())
        accuracies = iter(
            finetuning.Accuracies(number / 100, number / 50)
            for number in range(10, 15)
        )
        out = io.StringIO()
        with (
            mock.patch.object(
                finetuning, "_accuracies", lambda *_: next(accuracies)
            ),
            mock.patch.object(commands, "run", return_value=0) as run,
            contextlib.redirect_stdout(out),
        ):
            finetuning.main(
                finetuning.Options(
                    supernet=folder,
                    architecture=subnet,
                    output=folder / "out",
                    seeds=2,
                )
            )
        lines = out.getvalue().splitlines()
        self.assertEqual(
            lines[2:5],
            [
                "| 0 | 10.00%, 20.00% | 11.00%, 22.00% | 12.00%, 24.00% |",
                "| 1 | 10.00%, 20.00% | 13.00%, 26.00% | 14.00%, 28.00% |",
                "| mean | 10.00%, 20.00% | 12.00%, 24.00% | 13.00%, 26.00% |",
            ],
        )
        started = [call.args[0] for call in run.call_args_list]
        self.assertLen(started, 4)
        self.assertIn("--flagfile=flags/digits/retrain.flags", started[3])
        self.assertIn("--seed=1", started[3])
        self.assertIn(f"--workdir={folder}/out/retrained_1", started[3])


if __name__ == "__main__":
    absltest.main()
