"""A batch on several cores gives what it gives on one."""

import contextlib
import dataclasses
import os
import random
from concurrent import futures
from typing import NamedTuple
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from benchmarks import whole
from tests.helpers import processes, shared, tiny
from tf_autoformer.data.sources import datasets
from tf_autoformer.evaluation import accuracy
from tf_autoformer.experiment import methods, training_config
from tf_autoformer.space import sampling
from tf_autoformer.supernet import cores, parallel
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import guard, optimizer, state, step

CORES = 4
# It has one depth, so that a step has one trace.
SPACE = dataclasses.replace(tiny.SPACE, depths=(2,))
MODEL = dataclasses.replace(tiny.DIGITS_MODEL, drop_path=0.5)
DRAWN = [sampling.uniform(SPACE, random.Random(seed)) for seed in range(5)]


# Images of a step, and whether the graph knows how many.
BATCHES = ((8, True), (5, True), (2, False))


class _Results(NamedTuple):
    """Results that no number of cores changes, and the sizes of the shares.

    Attributes:
      shares: Sizes of the shares, by batch.
      metrics: Loss and gradient norm of each step, by batch.
      weights: Weights after the last step, by batch.
      logits: Logits of some batches.
      accuracies: Accuracies of the first subnets.
    """

    shares: list[list[int]]
    metrics: list[np.ndarray]
    weights: list[np.ndarray]
    logits: list[np.ndarray]
    accuracies: list[float]


def _supernet() -> supernet_lib.Supernet:
    tf.keras.utils.set_random_seed(0)
    return supernet_lib.Supernet(MODEL, SPACE)


def _images(count: int) -> np.ndarray:
    return np.random.RandomState(0).randn(count, 8, 8, 3).astype(np.float32)


def _share_sizes(batch: int, known: bool) -> list[int]:
    split = parallel.Parallel(lambda share, _: tf.shape(share[0])[0])
    sizes = tf.function(
        lambda x: split([x], None),
        input_signature=[tf.TensorSpec([batch if known else None])],
        autograph=False,
    )
    return [int(size) for size in sizes(tf.zeros([batch]))]


def _train(batch: int, known: bool) -> tuple[np.ndarray, np.ndarray]:
    """Loss and norm of 5 steps, one for each drawn, and the weights then."""
    supernet = _supernet()
    adamw = optimizer.EntangledAdamW(1e-3, weight_decay=0.1)
    adamw.build(supernet.trainable_variables)
    train = step.TrainStep(
        tf.distribute.get_strategy(),
        state.TrainState(
            supernet,
            adamw,
            sampling.Sampler(SPACE, 0, methods.single_path),
            guard.Guard(),
        ),
        training_config.TrainingConfig(batch_size=batch, seed=3),
    )
    targets = np.eye(10, dtype=np.float32)[np.arange(batch) % 10]
    batches = tf.data.Dataset.from_tensors((_images(batch), targets))
    if not known:
        batches = batches.unbatch().batch(batch)
    (images,) = batches
    metrics = [
        [*done.losses, done.gradient_norm]
        for done in (train(*images, [architecture]) for architecture in DRAWN)
    ]
    for elastic_block in supernet.blocks:
        # The key's bias has no gradient but rounding, which Adam scales up.
        bias = elastic_block.layers["attention"].qkv_bias
        bias.assign(bias * [[[1]], [[0]], [[1]]])
    weights = [np.ravel(variable) for variable in supernet.variables]
    return np.array(metrics), np.concatenate(weights)


def _infer(folder: str) -> tuple[list[np.ndarray], list[float]]:
    """The logits and accuracies of some batches and architectures."""
    supernet = _supernet()
    forward = whole.Forward(supernet)
    logits = [
        forward(_images(count), architecture).numpy()
        for count in (5, 2)
        for architecture in DRAWN[:2]
    ]
    dataset = datasets.load("digits", folder)
    evaluator = accuracy.Evaluator(
        tf.distribute.get_strategy(),
        supernet,
        dataset,
        "validation",
        batch_size=143,  # And 2 of 288.
    )
    return logits, [evaluator.accuracy(each) for each in DRAWN[:2]]


def _results(folder: str) -> _Results:
    shares = [_share_sizes(*batch) for batch in (*BATCHES, (2, True))]
    metrics, weights = zip(*(_train(*batch) for batch in BATCHES), strict=True)
    return _Results(shares, metrics, weights, *_infer(folder))


def _results_on_cores(folder: str) -> _Results:
    with mock.patch.object(
        os, "sched_getaffinity", return_value=set(range(CORES))
    ):
        parallel.use_cores()
    return _results(folder)


class ParallelTest(absltest.TestCase):
    def test_training_and_evaluation_on_cores_equal_those_on_one(self):
        folder = str(shared.digits())
        with futures.ThreadPoolExecutor() as pool:  # Both at the same time.
            on_cores = pool.submit(processes.call, _results_on_cores, folder)
            one = _results(folder)
        many = on_cores.result()

        self.assertEqual(one.shares, [[8], [5], [2], [2]])
        self.assertEqual(
            many.shares, [[2, 2, 2, 2], [1, 1, 1, 2], [0, 0, 1, 1], [1, 1]]
        )
        for field in ("metrics", "weights", "logits"):
            for index, (found, wanted) in enumerate(
                zip(getattr(many, field), getattr(one, field), strict=True)
            ):
                with self.subTest(f"{field} {index}"):
                    self.assertGreater(np.ptp(wanted, axis=0).min(), 0.01)
                    np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=0)
        self.assertEqual(many.accuracies, one.accuracies)

    def test_the_results_are_in_the_order_of_the_batch(self):
        with mock.patch.object(parallel, "num_shares", return_value=3):
            double = parallel.Parallel(lambda share, by: share[0] * by)
            results = double([tf.range(7)], 2)

        np.testing.assert_array_equal(tf.concat(results, 0), np.arange(7) * 2)
        self.assertEqual([len(part) for part in results], [2, 2, 3])

    def test_shares_are_of_all_tensors_alike(self):
        with mock.patch.object(parallel, "num_shares", return_value=3):
            pairs = parallel.Parallel(lambda share, _: tf.stack(share))(
                [tf.range(5), 10 * tf.range(5)], None
            )

        np.testing.assert_array_equal(
            tf.concat(pairs, 1), [np.arange(5), 10 * np.arange(5)]
        )

    def test_the_shares_have_one_trace(self):
        traced = []

        def function(share, _):
            traced.append(share)
            return share[0]

        shares = parallel.Parallel(function)
        with mock.patch.object(parallel, "num_shares", return_value=4):
            tf.function(
                lambda x: shares([x], None),
                input_signature=[tf.TensorSpec([None])],
                autograph=False,
            )(tf.zeros([6]))

        self.assertLen(traced, 1)


class UseCoresTest(absltest.TestCase):
    def _settings(self, gpus: list) -> list[tuple]:
        """What it sets where there are such GPUs and four cores."""
        settings = mock.Mock()
        with contextlib.ExitStack() as patches:
            for owner, name, value in (
                (tf.config, "list_physical_devices", lambda kind: gpus),
                (os, "sched_getaffinity", lambda pid: {1, 3, 5, 7}),
                (
                    tf.config.threading,
                    "set_intra_op_parallelism_threads",
                    settings.intra,
                ),
                (
                    tf.config.threading,
                    "set_inter_op_parallelism_threads",
                    settings.inter,
                ),
            ):
                patches.enter_context(mock.patch.object(owner, name, value))
            parallel.use_cores()
        return sorted((name, *args) for name, args, _ in settings.mock_calls)

    def test_each_core_gets_an_operation(self):
        self.assertEqual(self._settings(gpus=[]), [("inter", 4), ("intra", 1)])

    def test_where_the_system_binds_nothing_all_cores_count(self):
        listed = mock.patch.object(tf.config, "list_physical_devices")
        threads = mock.patch.object(
            tf.config.threading, "set_inter_op_parallelism_threads"
        )
        intra = mock.patch.object(
            tf.config.threading, "set_intra_op_parallelism_threads"
        )
        macos = mock.Mock(spec=["cpu_count"], cpu_count=lambda: 6)
        with listed as devices, threads as inter, intra:
            devices.return_value = []
            with mock.patch.object(cores, "os", macos):
                parallel.use_cores()
        inter.assert_called_once_with(6)

    def test_with_a_gpu_the_threads_are_left_alone(self):
        gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
        self.assertEqual(self._settings(gpus=[gpu]), [])


if __name__ == "__main__":
    absltest.main()
