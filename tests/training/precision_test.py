"""Half-precision products: near float32's results, float32 around them."""

import functools
import random
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.experiment import experiment, training_config, workdir
from tf_autoformer.space import extents, sampling, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import packing, parallel, subnet
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import checkpoint, state, step

MIXED = "mixed_bfloat16"
# Of the largest logit, and of a gradient's norm: a few roundings to 8 bits, or
# to 11.
TOLERANCES = {MIXED: (3e-2, 5e-2), "mixed_float16": (4e-3, 7e-3)}
BATCH = 16
SPACE = search_space.SearchSpace(
    embed_dims=(16, 24, 32),
    depths=(2,),
    num_heads=(1, 2, 3),
    mlp_ratios=(1.0, 2.0),
)
MODEL = model_lib.ModelConfig(
    num_classes=5,
    image_size=16,
    patch_size=4,
    head_dim=8,
    max_relative_offset=2,
    init_stddev=0.1,
)


def _supernet(dtype: str) -> supernet_lib.Supernet:
    tf.keras.utils.set_random_seed(0)
    return supernet_lib.Supernet(MODEL, SPACE, dtype)


def _images() -> np.ndarray:
    rng = np.random.RandomState(0)
    return rng.randn(BATCH, 16, 16, 3).astype(np.float32)


def _draw(count: int) -> list:
    rng = random.Random(0)
    return [sampling.uniform(SPACE, rng) for _ in range(count)]


def _fits_bfloat16(values) -> bool:
    """Whether the lower half of each float32's bits is zero."""
    bits = np.ravel(np.float32(values)).view(np.uint32)
    return not (bits & 0xFFFF).any()


def _recipe(dtype: str) -> training_config.TrainingConfig:
    """A recipe of a constant rate: its cosine is too long to fall."""
    return training_config.TrainingConfig(
        epochs=10**6,
        batch_size=BATCH,
        learning_rate=3e-3,
        warmup_epochs=0,
        weight_decay=0.05,
        precision=dtype,
    )


class _Training:
    """A supernet that learns one batch by heart."""

    def __init__(self, dtype: str):
        recipe = _recipe(dtype)
        strategy = tf.distribute.get_strategy()
        self.state = state.TrainState.create(
            MODEL, SPACE, recipe, strategy, num_examples=BATCH
        )
        self._step = step.TrainStep(strategy, self.state, recipe)

    def run(self, architectures) -> list[float]:
        """The loss of a step for each architecture."""
        targets = np.eye(5, dtype=np.float32)[np.arange(BATCH) % 5]
        return [
            float(self._step(_images(), targets, [architecture]).losses)
            for architecture in architectures
        ]

    def variables(self) -> list[tf.Variable]:
        """Weights, first and second moments."""
        return [
            *self.state.supernet.trainable_variables,
            *self.state.optimizer.first_moments,
            *self.state.optimizer.second_moments,
        ]


@functools.cache
def _float32_losses() -> np.ndarray:
    return np.array(_Training("float32").run(_draw(25)))


@functools.cache
def _trained() -> _Training:
    """With every moment filled."""
    training = _Training(MIXED)
    training.run([SPACE.largest] * 2)
    return training


def _logits_and_gradients(supernet, architecture):
    """Of the batch: logits, and by (layer, weight) the slice's gradient."""
    scale = 2.0**10  # Keeps the gradients within float16's range.
    weights = supernet.operands(extents.of(architecture))
    with tf.GradientTape() as tape:
        tape.watch(weights)
        logits = supernet.forward(_images(), weights)
        loss = tf.reduce_mean(
            tf.keras.losses.sparse_categorical_crossentropy(
                np.arange(BATCH) % 5, logits, from_logits=True
            )
        )
        scaled = loss * scale
    gradients = tape.gradient(scaled, weights)
    return logits, {
        (layer, weight): np.float32(tf.convert_to_tensor(gradient)) / scale
        for layer, by_weight in gradients.items()
        for weight, gradient in by_weight.items()
    }


class PrecisionTest(parameterized.TestCase):
    @parameterized.parameters(*TOLERANCES)
    def test_logits_are_float32_and_they_and_the_gradients_near_float32s(
        self, dtype
    ):
        of_logits, of_gradients = TOLERANCES[dtype]
        full, mixed = _supernet("float32"), _supernet(dtype)

        for architecture in _draw(3):
            wanted, wanted_gradients = _logits_and_gradients(full, architecture)
            found, found_gradients = _logits_and_gradients(mixed, architecture)

            self.assertEqual(found.dtype, tf.float32)
            error = np.abs(found - wanted).max() / np.abs(wanted).max()
            self.assertLess(error, of_logits)
            self.assertGreater(error, 1e-5)  # It is another precision.
            self.assertEqual(found_gradients.keys(), wanted_gradients.keys())
            whole = np.linalg.norm(
                [np.linalg.norm(g) for g in wanted_gradients.values()]
            )
            for weight, gradient in wanted_gradients.items():
                error = np.linalg.norm(found_gradients[weight] - gradient)
                # The key's bias has no gradient but rounding.
                size = np.linalg.norm(gradient) + 0.01 * whole
                self.assertLess(error, of_gradients * size, weight)

    @parameterized.parameters(
        (MIXED, tf.bfloat16), ("mixed_float16", tf.float16)
    )
    def test_the_products_alone_are_half_and_not_the_heads(
        self, dtype, product
    ):
        operands = _supernet(dtype).operands(extents.of(SPACE.largest))
        half, single = {product}, {tf.float32}

        found = {
            name.rpartition(".")[2]: {
                weight.dtype for weight in by_name.values()
            }
            for name, by_name in operands.items()
        }

        self.assertEqual(
            found,
            {
                "patch_embedding": half,
                "class_token": single,
                "position": single,
                "attention_norm": single,
                "attention": half,
                "mlp_norm": single,
                "mlp_expand": half,
                "mlp_contract": half,
                "norm": single,
                "head": single,
            },
        )

    def test_weights_and_moments_are_float32_of_all_bits(self):
        training = _trained()

        for variable in training.variables():
            self.assertEqual(variable.dtype, tf.float32)
        for variable in training.variables():
            if variable.shape.rank > 1:
                self.assertFalse(_fits_bfloat16(variable), variable.name)

    def test_the_shares_gradients_are_summed_in_float32(self):
        training = _Training(MIXED)
        applied = []

        self.addCleanup(tf.config.run_functions_eagerly, False)
        tf.config.run_functions_eagerly(True)
        with (
            mock.patch.object(parallel, "num_shares", return_value=2),
            mock.patch.object(
                training.state.optimizer,
                "update_packed",
                lambda packed, shapes, variables, _: applied.extend(
                    zip(packing.unpack(packed, shapes), variables, strict=True)
                ),
            ),
        ):
            training.run(_draw(1))

        self.assertNotEmpty(applied)
        for gradient, variable in applied:
            self.assertEqual(gradient.dtype, tf.float32)
            if "kernel" in variable.name:
                # Each share's would fit, a sum rounded to bfloat16 too.
                self.assertFalse(_fits_bfloat16(gradient), variable.name)

    @parameterized.parameters((MIXED, 0.05), ("mixed_float16", 0.01))
    def test_the_loss_falls_as_float32s(self, dtype, tolerance):
        training, full = _Training(dtype), _float32_losses()

        mixed = np.array(training.run(_draw(25)))

        self.assertLess(full[-5:].mean(), 0.8 * full[0])
        np.testing.assert_allclose(mixed, full, rtol=tolerance)
        self.assertGreater(np.abs(mixed - full).max(), 1e-5)
        self.assertEqual(training.state.guard.skipped.numpy(), 0)

    def test_float16s_scaled_gradients_are_applied_as_they_are(self):
        full, mixed = (
            _Training(dtype) for dtype in ("float32", "mixed_float16")
        )
        for training in (full, mixed):
            training.run([SPACE.largest])
        self.assertEqual(mixed.state.guard.scale.numpy(), 2**15)

        moments = full.state.optimizer.first_moments
        whole = np.linalg.norm([np.linalg.norm(m) for m in moments])
        for wanted, found in zip(
            moments, mixed.state.optimizer.first_moments, strict=True
        ):
            error = np.linalg.norm(found - wanted)
            self.assertLess(
                error, 7e-3 * (np.linalg.norm(wanted) + 0.01 * whole)
            )

    def test_large_activations_do_not_overflow_float16(self):
        supernet = _supernet("mixed_float16")
        images = 10 * _images()  # Normalized pixels are within 3.
        for elastic_block in supernet.blocks:
            # Sharp attention, to scores beyond 100.
            kernel = elastic_block.layers["attention"].qkv_kernel
            kernel.assign(8 * kernel)

        logits = supernet(images, SPACE.largest)

        self.assertTrue(np.isfinite(logits).all())
        wanted = _supernet("float32")
        wanted.set_weights(supernet.get_weights())
        error = np.abs(logits - wanted(images, SPACE.largest)).max()
        self.assertLess(error, 0.05 * np.abs(logits).max())

    def test_nothing_outside_the_slices_changes_by_a_bit(self):
        training = _trained()
        before = [variable.numpy() for variable in training.variables()]

        training.run([SPACE.smallest])

        slices = training.state.supernet.slices(extents.of(SPACE.smallest))
        boxes = {
            id(variable): tuple(slice(size) for size in box.shape)
            for variable, box in zip(
                tf.nest.flatten(training.state.supernet.variables_of(slices)),
                tf.nest.flatten(slices),
                strict=True,
            )
        }
        weights = training.state.supernet.trainable_variables
        self.assertLen(boxes, len(weights))  # None is deeper.
        for was, now, weight in zip(
            before, training.variables(), weights * 3, strict=True
        ):
            changed = was.view(np.int32) != now.numpy().view(np.int32)
            self.assertTrue(changed[boxes[id(weight)]].any(), weight.name)
            changed[boxes[id(weight)]] = False
            self.assertFalse(changed.any(), weight.name)

    def test_a_subnet_inherits_float32_weights_to_the_bit(self):
        supernet = _supernet(MIXED)
        (architecture,) = _draw(1)

        standalone = subnet.inherit(supernet, architecture)

        compared = 0
        for name, layer in supernet.elastic_layers().items():
            for weight in layer.axes:
                inherited = getattr(standalone.get_layer(name), weight)
                box = tuple(slice(size) for size in inherited.shape)
                self.assertEqual(inherited.dtype, tf.float32)
                np.testing.assert_array_equal(
                    inherited.numpy().view(np.int32),
                    getattr(layer, weight).numpy()[box].view(np.int32),
                )
                if weight.endswith("kernel"):
                    self.assertFalse(_fits_bfloat16(inherited), name)
                compared += 1
        self.assertLen(standalone.weights, compared)


class WorkdirTest(absltest.TestCase):
    def test_what_was_trained_with_it_is_loaded_with_it(self):
        folder = workdir.Workdir(self.create_tempdir().full_path)
        folder.claim(
            experiment.Experiment("digits", MODEL, SPACE, _recipe(MIXED))
        )
        training = _trained()
        checkpoint.TrainingCheckpoint(folder.checkpoints, training.state).save()

        trained = folder.trained(tf.distribute.get_strategy())

        loaded = trained.supernet
        self.assertEqual(
            trained.step, training.state.optimizer.iterations.numpy()
        )
        for was, now in zip(
            training.state.supernet.variables, loaded.variables, strict=True
        ):
            self.assertEqual(now.dtype, tf.float32)
            np.testing.assert_array_equal(was, now)
        full = supernet_lib.Supernet(loaded.model, SPACE)
        full.set_weights(loaded.get_weights())
        logits, *others = (
            each(_images(), SPACE.largest).numpy()
            for each in (loaded, training.state.supernet, full)
        )
        np.testing.assert_array_equal(logits, others[0])
        self.assertGreater(np.abs(logits - others[1]).max(), 0)


if __name__ == "__main__":
    absltest.main()
