"""Classifiers of files, from exports and from fine-tuned networks."""

import dataclasses
import pathlib
import shutil

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import tiny
from tf_autoformer import errors, files
from tf_autoformer.serving import classifier, savedmodel


class ClassifierTest(tiny.WorkdirTest):
    def test_a_fine_tuned_network_answers_as_its_export(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        network = root / "network"
        shutil.copytree(self.workdir.root, network)
        # As `finetune` leaves it, but for the weights of other subnets.
        subnet = tiny.SPACE.largest
        experiment = dataclasses.replace(
            self.workdir.experiment, architecture=subnet
        )
        files.write_json(network / "config.json", experiment.to_dict())
        savedmodel.export(
            self.supernet, subnet, self.dataset.source, root / "1"
        )
        images = np.random.default_rng(0).integers(0, 255, [2, 8, 8, 3])
        contents = [
            *(tf.io.encode_png(np.uint8(image)).numpy() for image in images),
            b"no image",
        ]
        found, wanted = (
            classifier.load(folder) for folder in (network, root / "1")
        )
        self.assertEqual(list(found.labels), list(wanted.labels))
        found, wanted = (each.classify(contents) for each in (found, wanted))
        np.testing.assert_allclose(
            found.probabilities, wanted.probabilities, atol=1e-5
        )
        self.assertEqual(found.errors, wanted.errors)
        self.assertNotEqual(found.errors[-1], "")

    def test_other_folders_are_told(self):
        for folder, text in (
            (self.workdir.root, "holds a supernet; export a subnet"),
            (pathlib.Path(self.create_tempdir().full_path), "no SavedModel"),
        ):
            with self.assertRaisesRegex(errors.InputError, text):
                classifier.load(folder)


if __name__ == "__main__":
    absltest.main()
