"""The supernet against standalone subnets, and the paper's options."""

import dataclasses
import itertools
import random

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents, sampling, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import embedding, subnet
from tf_autoformer.supernet import supernet as supernet_lib

SPACE = search_space.SearchSpace(
    embed_dims=(8, 12, 16),
    depths=(1, 2),
    num_heads=(1, 2, 3),
    mlp_ratios=(0.5, 1.0, 2.0),
)
OPTIONS = [
    *itertools.product(
        ("cls", "average"), ("none", "absolute", "relative", "both"), ("heads",)
    ),
    ("cls", "absolute", "flat"),
    ("average", "relative_keys", "flat"),
]


def _model(
    pooling="average", position="both", layout="heads", drop_path=0.0
) -> model_lib.ModelConfig:
    return model_lib.ModelConfig(
        num_classes=5,
        image_size=12,
        patch_size=4,
        head_dim=4,
        pooling=pooling,
        position=position,
        max_relative_offset=1,
        qkv_bias_layout=layout,
        drop_path=drop_path,
    )


def _supernet(**options) -> supernet_lib.Supernet:
    """A supernet none of whose weights is zero or one."""
    tf.keras.utils.set_random_seed(0)
    supernet = supernet_lib.Supernet(_model(**options), SPACE)
    for variable in supernet.variables:
        variable.assign_add(0.3 * tf.random.normal(variable.shape))
    return supernet


def _images(batch: int = 3) -> tf.Tensor:
    return tf.random.stateless_normal([batch, 12, 12, 3], [0, 1])


class SupernetTest(parameterized.TestCase):
    @parameterized.parameters(
        *((seed, *options) for seed, options in enumerate(OPTIONS))
    )
    def test_logits_and_gradients_equal_the_subnets(
        self, seed, pooling, position, layout
    ):
        supernet = _supernet(pooling=pooling, position=position, layout=layout)
        images, rng = _images(), random.Random(seed)
        direction = tf.random.stateless_normal([3, 5], [0, 2])

        @tf.function(autograph=False)
        def run(images, sizes):
            weights = supernet.slices(sizes)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                logits = supernet.forward(images, weights)
                loss = tf.reduce_sum(logits * direction)
            return logits, tape.gradient(loss, weights)

        for _ in range(8):
            architecture = sampling.uniform(SPACE, rng)
            sizes = supernet_lib.extent_tensors(architecture)
            logits, gradients = run(images, sizes)
            standalone = subnet.inherit(supernet, architecture)
            with tf.GradientTape() as tape:
                expected = standalone(images)
                loss = tf.reduce_sum(expected * direction)
            wanted = tape.gradient(loss, standalone.trainable_variables)
            wanted = {
                id(variable): tf.convert_to_tensor(gradient)
                for variable, gradient in zip(
                    standalone.trainable_variables, wanted, strict=True
                )
            }

            np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=1e-5)
            compared = 0
            for layer, weights in gradients.items():
                for weight, gradient in weights.items():
                    variable = getattr(standalone.get_layer(layer), weight)
                    expected = wanted[id(variable)]
                    largest = tf.reduce_max(tf.abs(expected))
                    np.testing.assert_allclose(
                        tf.convert_to_tensor(gradient),
                        expected,
                        # Sums are rounded as their largest terms are.
                        atol=1e-5 * max(1, largest),
                        rtol=1e-5,
                        err_msg=f"{layer}.{weight} of {architecture}",
                    )
                    compared += 1
            self.assertLen(standalone.trainable_variables, compared)

    def test_takes_an_architecture_or_its_tensors(self):
        supernet, images = _supernet(), _images()
        architecture = sampling.uniform(SPACE, random.Random(1))

        np.testing.assert_allclose(
            supernet(images, architecture),
            supernet(images, supernet_lib.extent_tensors(architecture)),
            atol=1e-6,
        )

    def test_refuses_an_architecture_outside_the_space(self):
        outside = architecture_lib.Architecture(16, 2, (1, 9), (1.0, 1.0))

        with self.assertRaisesRegex(
            errors.InputError, r"num_heads\[1\] is 9.*allows 1, 2, 3"
        ):
            _supernet()(_images(), outside)

    @parameterized.parameters("heads", "flat")
    def test_only_the_slices_influence_the_logits(self, layout):
        supernet, images = _supernet(layout=layout), _images()
        small = SPACE.smallest
        before = supernet(images, small).numpy()
        sizes = supernet.slices(extents.of(small))
        kept = {
            id(variable): weight.shape
            for variable, weight in zip(
                tf.nest.flatten(supernet.variables_of(sizes)),
                tf.nest.flatten(sizes),
                strict=True,
            )
        }
        for variable in supernet.variables:
            poison = np.full(variable.shape, np.nan, np.float32)
            if id(variable) in kept:
                box = tuple(slice(size) for size in kept[id(variable)])
                poison[box] = variable.numpy()[box]
            variable.assign(poison)

        np.testing.assert_array_equal(supernet(images, small), before)

    @parameterized.parameters("float32", "mixed_bfloat16")
    def test_one_trace_serves_the_blocks_of_all_architectures(self, dtype):
        space = dataclasses.replace(SPACE, depths=(1, 2, 4))
        supernet = supernet_lib.Supernet(_model(drop_path=0.1), space, dtype)
        run = tf.function(supernet.call, autograph=False)

        # Without drop path and with it.
        for noise, traces in ((None, 1), (tf.zeros([3, 4, 2]), 2)):
            for depth in space.depths:
                some = dataclasses.replace(space, depths=(depth,))
                for architecture in (some.smallest, some.largest):
                    sizes = supernet_lib.extent_tensors(architecture)
                    run(_images(), sizes, noise)
                    for half in supernet.halves:
                        self.assertEqual(half.traces, traces)
        self.assertEqual(run.experimental_get_tracing_count(), 6)

    def test_one_trace_serves_the_blocks_of_batches_of_any_size(self):
        supernet = _supernet()
        integers = [tf.TensorSpec(shape, tf.int32) for shape in ([], [2], [2])]
        run = tf.function(
            supernet.call,
            input_signature=[
                tf.TensorSpec([None, 12, 12, 3]),
                extents.Extents(*integers),
            ],
            autograph=False,
        )
        two_deep = dataclasses.replace(SPACE, depths=(2,))
        for batch in (1, 3):
            for architecture in (two_deep.smallest, two_deep.largest):
                sizes = supernet_lib.extent_tensors(architecture)
                self.assertLen(run(_images(batch), sizes), batch)

        self.assertEqual([half.traces for half in supernet.halves], [1, 1])

    def test_a_graph_gives_what_eager_execution_gives(self):
        supernet = _supernet(drop_path=0.5)
        noise = tf.random.stateless_uniform([3, 2, 2], [0, 5])
        run = tf.function(supernet.call, autograph=False)
        for architecture in (SPACE.smallest, SPACE.largest):
            arguments = (
                _images(),
                supernet_lib.extent_tensors(architecture),
                noise,
            )
            np.testing.assert_allclose(
                run(*arguments), supernet(*arguments), atol=1e-5, rtol=1e-5
            )

    def test_drop_path_drops_whole_residuals_of_single_samples(self):
        supernet = _supernet(drop_path=0.5)
        architecture = SPACE.largest
        images = tf.repeat(_images(1), 2, axis=0)
        # The second block's rate is 0.5, the first's 0: the first sample's
        # second block is dropped, the second sample's kept and scaled.
        noise = tf.constant([[[0.0, 0.0]] * 2, [[0.9, 0.9]] * 2])

        logits = supernet(images, architecture, noise)

        one_block = architecture_lib.Architecture(16, 1, (3,), (2.0,))
        np.testing.assert_allclose(
            logits[0], supernet(images, one_block)[0], atol=1e-5
        )
        doubled = _supernet(drop_path=0.5)
        for weight in ("projection_kernel", "projection_bias"):
            variable = getattr(doubled.blocks[1].layers["attention"], weight)
            variable.assign(2 * variable)
        for weight in ("kernel", "bias"):
            variable = getattr(doubled.blocks[1].layers["mlp_contract"], weight)
            variable.assign(2 * variable)
        np.testing.assert_allclose(
            logits[1], doubled(images, architecture)[1], atol=1e-4
        )


class SubnetTest(parameterized.TestCase):
    @parameterized.product(
        position=("none", "absolute", "relative_keys", "both"),
        image_size=((20, 28), 8),
    )
    def test_another_image_size_is_a_supernet_of_that_size(
        self, position, image_size
    ):
        supernet = _supernet(position=position)
        resized = supernet_lib.Supernet(
            dataclasses.replace(supernet.model, image_size=image_size), SPACE
        )
        for name, layer in supernet.elastic_layers().items():
            for weight in layer.axes:
                value = getattr(layer, weight)
                if name == "position":
                    value = embedding.resize_position(
                        value, (3, 3), resized.model.grid
                    )
                getattr(resized.elastic_layers()[name], weight).assign(value)
        height, width = resized.model.input_size
        images = tf.random.stateless_normal([3, height, width, 3], [0, 3])
        rng = random.Random(0)
        for _ in range(2):
            architecture = sampling.uniform(SPACE, rng)
            standalone = subnet.inherit(supernet, architecture, image_size)
            self.assertEqual(standalone.input_shape, (None, height, width, 3))
            np.testing.assert_allclose(
                standalone(images),
                resized(images, architecture),
                atol=1e-5,
                rtol=1e-5,
            )

    def test_an_image_size_of_no_whole_patches_is_refused(self):
        with self.assertRaisesRegex(
            errors.InputError, r"image_size is \(12, 14\).*patch_size, 4"
        ):
            subnet.inherit(_supernet(), SPACE.smallest, (12, 14))

    def test_is_an_ordinary_model_that_fits_and_saves(self):
        architecture = sampling.uniform(SPACE, random.Random(3))
        model = subnet.build(_model(drop_path=0.1), architecture)
        model.compile(
            tf.keras.optimizers.Adam(0.01),
            tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        images, labels = _images(6), tf.constant([0, 1, 2, 3, 4, 0])

        losses = model.fit(
            images, labels, batch_size=6, epochs=15, verbose=0
        ).history["loss"]
        path = self.create_tempdir().full_path + "/subnet.keras"
        model.save(path)
        loaded = tf.keras.models.load_model(path)

        self.assertLess(losses[-1], 0.8 * losses[0])
        np.testing.assert_array_equal(loaded(images), model(images))

    def test_fresh_layers_start_from_different_weights(self):
        model = subnet.build(_model(), SPACE.largest)

        first = model.get_layer("block_0.mlp_expand").kernel
        second = model.get_layer("block_1.mlp_expand").kernel
        self.assertGreater(np.abs(first - second).max(), 1e-3)

    def test_holds_a_copy_and_nothing_of_the_supernet(self):
        supernet, images = _supernet(), _images()
        standalone = subnet.inherit(supernet, SPACE.smallest)
        before = standalone(images).numpy()

        for variable in supernet.variables:
            variable.assign(tf.zeros_like(variable))

        np.testing.assert_array_equal(standalone(images), before)


if __name__ == "__main__":
    absltest.main()
