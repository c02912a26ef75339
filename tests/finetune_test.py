"""A fine-tuning is what its flags say."""

import pathlib
from unittest import mock

from absl.testing import absltest

from tests.helpers import options
from tf_autoformer import finetune
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.finetuning import finetuning_config, fit
from tf_autoformer.space import published


class MainTest(absltest.TestCase):
    def test_every_kind_of_flag_reaches_the_fine_tuning(self):
        found = options.parse(
            finetune.Options,
            "--workdir=new",
            "--data_dir=data",
            "--supernet=old",
            "--architecture=autoformer_t",
            "--image_folder=/photos",
            "--max_image_pixels=1000",
            "--image_size=384",
            "--optimizer=sgd",
            "--teacher=largest",
            "--noflip",
            "--strategy=one_device",
            "--backup_every=7",
        )
        with mock.patch.object(fit, "run") as run:
            finetune.main(found)
        task, workdir, data_dir, how = run.call_args.args
        self.assertEqual(
            task,
            finetuning_config.Task(
                finetuning_config.InitialConfig(
                    supernet=pathlib.Path("old"),
                    architecture=published.load("autoformer_t"),
                ),
                finetuning_config.FinetuningConfig(
                    optimizer="sgd", teacher="largest"
                ),
                augmentation_config.AugmentationConfig(flip=False),
                {"image_size": 384},
                "folder:/photos",
                1000,
            ),
        )
        self.assertIsInstance(workdir, workdir_lib.Workdir)
        self.assertEqual((str(workdir.root), data_dir), ("new", "data"))
        self.assertEqual(
            how,
            finetuning_config.RunConfig(strategy="one_device", backup_every=7),
        )


if __name__ == "__main__":
    absltest.main()
