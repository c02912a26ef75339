"""The training step: what it changes, its replicas and its traces."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny, trainings
from tf_autoformer.supernet import subnet
from tf_autoformer.training import step

SPACE, SMALL = tiny.SPACE, tiny.SMALL_SPACE
SMOOTHING = trainings.SMOOTHING


def _numbers(metrics: list[step.StepMetrics]) -> np.ndarray:
    """[steps, (loss, gradient norm, learning rate)]."""
    return np.array([[*each.losses, *each[1:3]] for each in metrics])


class TrainStepTest(parameterized.TestCase):
    @parameterized.parameters("heads", "flat")
    def test_changes_the_sampled_slices_and_nothing_else_by_a_bit(self, layout):
        training = trainings.Training(replicas=1, layout=layout)
        training.run([(SPACE.largest,)] * 2)  # Fills every moment.
        variables = training.state.supernet.trainable_variables
        for path in ((SPACE.smallest,), *trainings.draw(2, seed=5)):
            before = training.values()
            training.run([path])

            for was, now, box, variable in zip(
                before,
                training.values(),
                training.boxes(*path) * 3,
                variables * 3,
                strict=True,
            ):
                changed = was.view(np.int32) != now.view(np.int32)
                inside = changed[box]
                if inside.size and "key_" not in variable.name:
                    # Offsets that no pair of this grid has get no gradient.
                    self.assertGreater(inside.mean(), 0.3, variable.name)
                changed[box] = False
                self.assertFalse(changed.any(), variable.name)

    def test_equals_the_standalone_subnets_step_under_stock_adamw(self):
        training = trainings.Training(replicas=1)
        training.run([(SPACE.largest,)] * 3)
        ((architecture,),) = trainings.draw(1, seed=9)
        supernet, optimizer = training.state.supernet, training.state.optimizer
        standalone = subnet.inherit(supernet, architecture)
        stock = tf.keras.optimizers.AdamW(
            optimizer._learning_rate,
            weight_decay=0.1,
            epsilon=1e-8,
            jit_compile=False,
        )
        decayed = ("kernel:0", "qkv_kernel:0", "projection_kernel:0")
        stock.exclude_from_weight_decay(
            var_list=[
                v
                for v in standalone.trainable_variables
                if v.name.split("/")[-1] not in decayed
            ]
        )
        stock.build(standalone.trainable_variables)
        stock.iterations.assign(optimizer.iterations)
        moments = dict(
            zip(
                map(id, standalone.trainable_variables),
                zip(stock._momentums, stock._velocities, strict=True),
                strict=True,
            )
        )
        index = {id(v): i for i, v in enumerate(supernet.trainable_variables)}
        pairs = []
        for name, layer in supernet.elastic_layers().items():
            if name not in [each.name for each in standalone.layers]:
                continue
            for weight in layer.axes:
                big = getattr(layer, weight)
                small = getattr(standalone.get_layer(name), weight)
                box = tuple(slice(size) for size in small.shape)
                first, second = moments[id(small)]
                place = index[id(big)]
                first.assign(optimizer.first_moments[place].numpy()[box])
                second.assign(optimizer.second_moments[place].numpy()[box])
                pairs.append((f"{name}.{weight}", big, small, box))

        training.run([(architecture,)])
        images, targets = trainings.data(1)
        with tf.GradientTape() as tape:
            losses = tf.keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=SMOOTHING
            )(targets, standalone(images))
        gradients = tape.gradient(losses, standalone.trainable_variables)
        stock.apply_gradients(
            zip(gradients, standalone.trainable_variables, strict=True)
        )

        self.assertLen(pairs, len(standalone.trainable_variables))
        for name, big, small, box in pairs:
            np.testing.assert_allclose(
                big.numpy()[box], small, atol=1e-6, rtol=0, err_msg=name
            )

    def test_200_architectures_after_each_depths_first_cause_no_trace(self):
        training = trainings.Training(replicas=1)
        architectures = trainings.draw(200)
        training.run([(SPACE.smallest,), (SPACE.largest,)])  # Depth 1, depth 2.
        traces = training.step.traces

        training.run(architectures)

        self.assertGreater(len(set(architectures)), 100)
        self.assertEqual(traces, 2)
        self.assertEqual(training.step.traces, 2)
        state = training.state
        for half in state.supernet.halves:
            self.assertEqual(half.traces, 1)
        update = state.optimizer._update_one
        self.assertEqual(update.experimental_get_tracing_count(), 1)

    def test_drop_path_depends_on_the_step_and_not_on_the_run(self):
        first, second, without = (
            _numbers(
                trainings.Training(1, drop_path=rate).run(
                    [(SPACE.largest,)] * 2
                )
            )
            for rate in (0.5, 0.5, 0.0)
        )

        np.testing.assert_array_equal(first, second)
        self.assertGreater(np.abs(first - without).max(), 1e-3)

    def test_reports_the_loss_norm_and_rate_of_this_step(self):
        training = trainings.Training(1, SMALL)
        images, targets = trainings.data(1)
        standalone = subnet.inherit(training.state.supernet, SMALL.smallest)

        (metrics,) = _numbers(training.run([(SMALL.smallest,)]))

        with tf.GradientTape() as tape:
            loss = tf.keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=SMOOTHING
            )(targets, standalone(images))
        gradients = tape.gradient(loss, standalone.trainable_variables)
        norm = np.sqrt(
            sum(np.sum(np.square(tf.convert_to_tensor(g))) for g in gradients)
        )
        # 1e-6 is where the warm-up starts.
        np.testing.assert_allclose(metrics, [loss, norm, 1e-6], rtol=1e-5)


if __name__ == "__main__":
    absltest.main()
