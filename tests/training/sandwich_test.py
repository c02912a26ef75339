"""A step of the sandwich rule, against its paths trained by hand."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny, trainings
from tf_autoformer.experiment import methods
from tf_autoformer.space import sampling
from tf_autoformer.supernet import subnet

SPACE = tiny.SPACE


def _draw(count: int, seed: int = 0) -> list[sampling.Paths]:
    return trainings.draw(count, seed, methods.sandwich)


def _training(**options) -> trainings.Training:
    return trainings.Training(method="bignas", **options)


def _cross_entropy(targets, logits) -> tf.Tensor:
    """Mean of -Σ p·log q over the batch."""
    return -tf.reduce_mean(
        tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=-1)
    )


def _by_hand(
    training: trainings.Training, paths: sampling.Paths, noise: tf.Tensor | None
) -> tuple[list[float], list[np.ndarray]]:
    """The loss of each path, and for each weight the sum of the gradients.

    Each path is a standalone subnet, but the first where there is noise for
    drop path, which only the supernet takes.
    """
    supernet = training.state.supernet
    images, labels = trainings.data(1)
    sums = {
        id(v): np.zeros(v.shape, np.float32)
        for v in supernet.trainable_variables
    }
    losses, taught = [], None
    for path in paths:
        alone = subnet.inherit(supernet, path)
        with tf.GradientTape() as tape:
            from_supernet = taught is None and noise is not None
            if taught is not None:
                loss = _cross_entropy(taught, alone(images))
            else:
                logits = (
                    supernet(images, path, noise)
                    if from_supernet
                    else alone(images)
                )
                taught = tf.nn.softmax(logits).numpy()
                spread = trainings.SMOOTHING / tiny.MODEL.num_classes
                loss = _cross_entropy(
                    labels * (1 - trainings.SMOOTHING) + spread, logits
                )
        losses.append(float(loss))
        layers = supernet.elastic_layers()
        names = [layer.name for layer in alone.layers]
        pairs = [
            (
                getattr(layer, weight),
                getattr(
                    layer if from_supernet else alone.get_layer(name), weight
                ),
            )
            for name, layer in layers.items()
            if name in names
            for weight in layer.axes
        ]
        gradients = tape.gradient(loss, [source for _, source in pairs])
        for (variable, _), gradient in zip(pairs, gradients, strict=True):
            dense = tf.convert_to_tensor(gradient)
            box = tuple(slice(size) for size in dense.shape)
            sums[id(variable)][box] += dense
    return losses, [sums[id(v)] for v in supernet.trainable_variables]


class SandwichTest(parameterized.TestCase):
    @parameterized.parameters(
        {"layout": "heads", "drop_path": 0.0},
        {"layout": "flat", "drop_path": 0.5},
    )
    def test_losses_and_gradients_are_the_sum_of_the_paths_done_by_hand(
        self, layout, drop_path
    ):
        training = _training(layout=layout, drop_path=drop_path)
        (paths,) = _draw(1, seed=3)
        self.assertLen(set(paths), 4)
        self.assertEqual(paths[:2], (SPACE.largest, SPACE.smallest))
        # Of the largest alone: the other paths drop nothing.
        noise = training.step._noise(tf.constant(0)) if drop_path else None
        losses, gradients = _by_hand(training, paths, noise)

        (metrics,) = training.run([paths])

        np.testing.assert_allclose(metrics.losses, losses, rtol=1e-5)
        norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients))
        np.testing.assert_allclose(metrics.gradient_norm, norm, rtol=1e-5)
        for found, wanted, variable in zip(
            training.gradients(),
            gradients,
            training.state.supernet.trainable_variables,
            strict=True,
        ):
            np.testing.assert_allclose(
                found, wanted, rtol=1e-4, atol=1e-6, err_msg=variable.name
            )

    def test_200_draws_have_a_graph_for_each_depth_and_not_for_each_tuple(self):
        training = _training(batch_size=2)
        images, targets = (array[:2] for array in trainings.data(1))
        draws = _draw(200)
        depths = {tuple(path.depth for path in paths) for paths in draws}
        self.assertLen(depths, 4)

        for paths in draws:
            training.step(images, targets, paths)

        # The largest, the others of either depth, the update.
        self.assertEqual(training.step.traces, 4)
        self.assertGreater(len(set(draws)), 190)


if __name__ == "__main__":
    absltest.main()
