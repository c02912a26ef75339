"""Entangled AdamW: nothing outside the box, stock AdamW inside."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.training import optimizer as optimizer_lib

SHAPES = {"kernel": (6, 5), "bias": (5,), "table": (3, 2, 4)}
BOXES = {"kernel": (4, 2), "bias": (3,), "table": (3, 1, 4)}
# (variable's shape, box): smaller on the first axis, on one other, on both.
EVERY_KIND = (
    *(((5,), box) for box in [(3,), (5,)]),
    *(((6, 5), box) for box in [(4, 5), (6, 2), (4, 2), (6, 5)]),
    *(((4, 3, 5), box) for box in [(2, 3, 5), (4, 1, 5), (4, 3, 2)]),
    *(((4, 3, 5), box) for box in [(2, 1, 5), (2, 3, 2), (4, 3, 5)]),
    *(((4, 3, 2, 5), box) for box in [(2, 3, 2, 5), (4, 1, 2, 5)]),
    *(((4, 3, 2, 5), box) for box in [(4, 3, 1, 5), (4, 3, 2, 1)]),
    *(((4, 3, 2, 5), box) for box in [(2, 1, 2, 5), (2, 3, 1, 5)]),
    *(((4, 3, 2, 5), box) for box in [(2, 3, 2, 1), (4, 3, 2, 5)]),
)


def _noise(shape, seed) -> np.ndarray:
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def _box(name: str) -> tuple[slice, ...]:
    return tuple(slice(size) for size in BOXES[name])


def _state(optimizer, variables):
    """[variable, first moment, second moment] of each, as arrays."""
    return [
        [v.numpy(), m.numpy(), s.numpy()]
        for v, m, s in zip(
            variables,
            optimizer.first_moments,
            optimizer.second_moments,
            strict=True,
        )
    ]


class EntangledAdamWTest(parameterized.TestCase):
    def _make(self, learning_rate=0.01):
        """An optimizer in mid-training: every moment is filled."""
        variables = [
            tf.Variable(_noise(shape, i), name=name)
            for i, (name, shape) in enumerate(SHAPES.items())
        ]
        optimizer = optimizer_lib.EntangledAdamW(
            learning_rate, weight_decay=0.1
        )
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(variables)
        for _ in range(3):
            gradients = [tf.constant(_noise(v.shape, 7)) for v in variables]
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return optimizer, variables

    @parameterized.parameters(False, True)
    def test_nothing_outside_the_box_changes_by_a_bit(self, in_graph):
        optimizer, variables = self._make()
        before = _state(optimizer, variables)
        gradients = [_noise(BOXES[name], 9) for name in SHAPES]

        def apply(*gradients):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

        if in_graph:  # With boxes that the graph does not know.
            specs = [tf.TensorSpec([None] * g.ndim) for g in gradients]
            apply = tf.function(apply, autograph=False, input_signature=specs)
        apply(*map(tf.constant, gradients))

        for name, old, new in zip(
            SHAPES, before, _state(optimizer, variables), strict=True
        ):
            for was, now in zip(old, new, strict=True):
                changed = was.view(np.int32) != now.view(np.int32)
                self.assertTrue(changed[_box(name)].all(), name)
                changed[_box(name)] = False
                self.assertFalse(changed.any(), name)

    def test_inside_the_box_it_is_stock_adamw_with_the_same_moments(self):
        optimizer, variables = self._make()
        small = [
            tf.Variable(v.numpy()[_box(name)], name=name)
            for name, v in zip(SHAPES, variables, strict=True)
        ]
        stock = tf.keras.optimizers.AdamW(
            0.01, weight_decay=0.1, epsilon=1e-8, jit_compile=False
        )
        stock.exclude_from_weight_decay(var_names=["bias"])
        stock.build(small)
        stock.iterations.assign(optimizer.iterations)
        pairs = [
            (optimizer.first_moments, stock._momentums),
            (optimizer.second_moments, stock._velocities),
        ]
        for ours, theirs in pairs:
            for name, whole, part in zip(SHAPES, ours, theirs, strict=True):
                part.assign(whole.numpy()[_box(name)])

        for step in range(3):
            gradients = [_noise(BOXES[name], 20 + step) for name in SHAPES]
            stock.apply_gradients(
                zip(map(tf.constant, gradients), small, strict=True)
            )
            optimizer.apply_gradients(
                zip(map(tf.constant, gradients), variables, strict=True)
            )

        for ours, theirs in [(variables, small), *pairs]:
            for name, whole, part in zip(SHAPES, ours, theirs, strict=True):
                np.testing.assert_allclose(
                    whole.numpy()[_box(name)], part, atol=1e-6, rtol=0
                )

    def test_a_box_of_every_kind_is_stock_adamw_and_the_rest_keeps_its_bits(
        self,
    ):
        variables = [
            tf.Variable(_noise(shape, i), name=f"v{i}")
            for i, (shape, _) in enumerate(EVERY_KIND)
        ]
        optimizer = optimizer_lib.EntangledAdamW(0.01, weight_decay=0.1)
        optimizer.build(variables)
        moments = (optimizer.first_moments, optimizer.second_moments)
        for i, moment in enumerate([*moments[0], *moments[1]]):
            moment.assign(np.abs(_noise(moment.shape, 100 + i)))
        boxes = [tuple(map(slice, box)) for _, box in EVERY_KIND]
        small = [
            tf.Variable(v.numpy()[box], name=f"s{i}")
            for i, (v, box) in enumerate(zip(variables, boxes, strict=True))
        ]
        stock = tf.keras.optimizers.AdamW(
            0.01, weight_decay=0.1, epsilon=1e-8, jit_compile=False
        )
        stock.build(small)
        pairs = [(variables, small)]
        pairs += zip(
            moments, (stock._momentums, stock._velocities), strict=True
        )
        for ours, theirs in pairs[1:]:
            for whole, part, box in zip(ours, theirs, boxes, strict=True):
                part.assign(whole.numpy()[box])
        before = _state(optimizer, variables)
        specs = [tf.TensorSpec([None] * len(box)) for _, box in EVERY_KIND]

        @tf.function(autograph=False, input_signature=specs)
        def apply(*gradients):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

        for seed in range(3):
            gradients = [
                tf.constant(_noise(box, 50 + seed)) for _, box in EVERY_KIND
            ]
            apply(*gradients)
            stock.apply_gradients(zip(gradients, small, strict=True))

        for ours, theirs in pairs:
            for whole, part, box in zip(ours, theirs, boxes, strict=True):
                np.testing.assert_allclose(
                    whole.numpy()[box],
                    part,
                    atol=1e-6,
                    rtol=0,
                    err_msg=f"{part.shape} of {whole.shape}",
                )
        for was, now, box in zip(
            before, _state(optimizer, variables), boxes, strict=True
        ):
            for old, new in zip(was, now, strict=True):
                changed = old.view(np.int32) != new.view(np.int32)
                changed[box] = False
                self.assertFalse(changed.any(), f"{box} of {new.shape}")

    @parameterized.product(
        case=(
            ((4, 3, 5), (4, 2, 2)),
            ((4, 3, 5), (2, 2, 2)),
            ((4, 3, 2, 5), (4, 3, 1, 2)),
            ((4, 3, 2, 5), (4, 2, 1, 5)),
            ((4, 3), (5, 3)),
            ((4, 3), (4, 4)),
        ),
        in_graph=(False, True),
    )
    def test_a_box_on_two_inner_axes_or_too_large_is_refused_untouched(
        self, case, in_graph
    ):
        shape, box = case
        variable = tf.Variable(_noise(shape, 0))
        optimizer = optimizer_lib.EntangledAdamW(0.01, weight_decay=0.1)
        optimizer.build([variable])
        before = _state(optimizer, [variable])

        def apply(gradient):
            optimizer.apply_gradients([(gradient, variable)])

        if in_graph:
            spec = tf.TensorSpec([None] * len(box))
            apply = tf.function(apply, autograph=False, input_signature=[spec])
        with self.assertRaises(tf.errors.InvalidArgumentError):
            apply(tf.constant(_noise(box, 1)))

        for was, now in zip(
            before[0], _state(optimizer, [variable])[0], strict=True
        ):
            np.testing.assert_array_equal(was, now)

    def test_one_trace_updates_boxes_of_every_kind(self):
        variables = [
            tf.Variable(_noise(shape, i), name=f"v{i}")
            for i, (shape, _) in enumerate(EVERY_KIND)
        ]
        optimizer = optimizer_lib.EntangledAdamW(0.01, weight_decay=0.1)
        optimizer.exclude_from_weight_decay(var_names=["v0"])
        optimizer.build(variables)

        @tf.function(autograph=False)
        def apply():
            optimizer.apply_gradients(
                (tf.ones(box), variable)
                for (_, box), variable in zip(
                    EVERY_KIND, variables, strict=True
                )
            )

        apply()

        traces = optimizer._update.experimental_get_tracing_count()
        self.assertEqual(traces, 1)

    def test_decay_alone_moves_only_the_box_of_decayed_variables(self):
        variables = [
            tf.Variable(np.ones(shape, np.float32), name=name)
            for name, shape in SHAPES.items()
        ]
        optimizer = optimizer_lib.EntangledAdamW(0.5, weight_decay=0.1)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(variables)
        gradients = [tf.zeros(BOXES[name]) for name in SHAPES]

        optimizer.apply_gradients(zip(gradients, variables, strict=True))

        for name, variable in zip(SHAPES, variables, strict=True):
            expected = np.ones(SHAPES[name], np.float32)
            if name != "bias":
                expected[_box(name)] = 1 - 0.5 * 0.1
            np.testing.assert_allclose(variable, expected, rtol=1e-6)

    def test_a_variable_without_gradient_is_left_alone(self):
        optimizer, variables = self._make()
        before = _state(optimizer, variables)

        gradient = tf.constant(_noise(BOXES["bias"], 1))
        optimizer.apply_gradients([(gradient, variables[1])])

        after = _state(optimizer, variables)
        for index in (0, 2):
            for was, now in zip(before[index], after[index], strict=True):
                np.testing.assert_array_equal(was, now)

    def test_config_makes_an_equal_optimizer(self):
        schedule = tf.keras.optimizers.schedules.CosineDecay(0.1, 10)
        optimizer = optimizer_lib.EntangledAdamW(schedule, 0.2, beta_2=0.9)

        twin = optimizer_lib.EntangledAdamW.from_config(optimizer.get_config())

        self.assertEqual(twin.get_config(), optimizer.get_config())


if __name__ == "__main__":
    absltest.main()
