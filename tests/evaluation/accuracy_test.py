"""Accuracy of subnets, counted by hand on standalone copies."""

import random

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import devices, shared, tiny
from tf_autoformer.data import pipeline
from tf_autoformer.data.sources import datasets
from tf_autoformer.evaluation import accuracy
from tf_autoformer.space import sampling
from tf_autoformer.supernet import subnet
from tf_autoformer.supernet import supernet as supernet_lib

SPACE, MODEL = tiny.SPACE, tiny.DIGITS_MODEL

devices.prepare()


class EvaluatorTest(absltest.TestCase):
    def test_accuracy_is_the_share_of_right_labels(self):
        dataset = datasets.load("digits", str(shared.digits()))
        rng = random.Random(0)
        architectures = [sampling.uniform(SPACE, rng) for _ in range(3)]
        batches = pipeline.evaluation(
            dataset, "validation", (8, 8), batch_size=288
        )

        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
        tf.keras.utils.set_random_seed(0)
        with strategy.scope():
            supernet = supernet_lib.Supernet(MODEL, SPACE)
        evaluator = accuracy.Evaluator(
            strategy, supernet, dataset, "validation"
        )
        for architecture in architectures:
            standalone = subnet.inherit(supernet, architecture)
            right = [
                np.argmax(standalone(images), axis=1) == labels
                for images, labels in batches.as_numpy_iterator()
            ]
            self.assertEqual(
                evaluator.accuracy(architecture),
                np.concatenate(right).sum() / 288,
            )


if __name__ == "__main__":
    absltest.main()
