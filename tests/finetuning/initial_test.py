"""A network begins with the weights of a supernet or of an export."""

import dataclasses
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
import torch
from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.data.sources import names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.finetuning import finetuning_config
from tf_autoformer.finetuning import initial as initial_lib
from tf_autoformer.serving import savedmodel, served
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.supernet import subnet as subnet_lib
from tf_autoformer.supernet import supernet as supernet_lib

SUBNET = architecture_lib.Architecture(12, 1, (2,), (0.5,))
OTHER = tiny.SPACE.smallest
DIGITS = source_lib.Source(tuple("0123456789"))


def read(**fields) -> initial_lib.Initial:
    return initial_lib.read(finetuning_config.InitialConfig(**fields))


class InheritedTest(tiny.WorkdirTest):
    def inherited(self, **fields) -> initial_lib.Initial:
        return read(
            supernet=self.workdir.root, **{"architecture": SUBNET, **fields}
        )

    def test_it_has_the_supernets_logits(self):
        initial = self.inherited()
        self.assertEqual(initial.dataset, "digits")
        network = initial_lib.network(initial, initial.model, list(range(10)))
        images = tf.random.stateless_normal([3, 8, 8, 3], [0, 1])
        np.testing.assert_allclose(
            network(images), self.supernet(images, SUBNET), atol=1e-5
        )

    def test_known_classes_keep_their_rows_and_others_are_new(self):
        initial = self.inherited()
        new = dataclasses.replace(initial.source, labels=("7", "cat", "0"))
        classes = initial.known_classes("pets", new)
        self.assertEqual(classes, [7, -1, 0])
        network = initial_lib.network(
            initial, dataclasses.replace(initial.model, num_classes=3), classes
        )
        old = initial_lib.network(initial, initial.model, list(range(10)))
        images = tf.random.stateless_normal([3, 8, 8, 3], [0, 1])
        found, known = network(images).numpy(), old(images).numpy()
        np.testing.assert_allclose(
            found[:, [0, 2]], known[:, [7, 0]], atol=1e-5
        )
        self.assertGreater(np.abs(found[:, [1]] - known).min(), 1e-3)

    def test_numbered_classes_are_those_of_the_same_data_set(self):
        initial = self.inherited()
        named = dataclasses.replace(DIGITS, labels=tuple("abcdefghij"))
        self.assertEqual(
            initial.known_classes("digits", named), list(range(10))
        )
        self.assertEqual(initial.known_classes("letters", named), [-1] * 10)

    def test_the_network_of_the_weights_stays(self):
        initial = self.inherited()
        model = initial.with_fields({"drop_path": 0.3, "image_size": 12})
        self.assertEqual((model.drop_path, model.image_size), (0.3, 12))
        for name, value in (("patch_size", 2), ("pooling", "cls")):
            with self.assertRaisesRegex(
                errors.InputError, f"{name} is {value}; the weights were made"
            ):
                initial.with_fields({name: value})

    def test_from_scratch_the_network_is_the_supernets_but_not_its_weights(
        self,
    ):
        beyond = architecture_lib.Architecture(20, 1, (5,), (3.0,))
        initial = self.inherited(init="random", architecture=beyond)
        self.assertEqual(initial.model, tiny.DIGITS_MODEL)
        self.assertEmpty(initial.weights)
        self.assertIsNone(initial.source)
        self.assertEqual(initial.with_fields({"patch_size": 2}).patch_size, 2)

    def test_an_architecture_outside_the_space_is_refused(self):
        beyond = architecture_lib.Architecture(20, 1, (5,), (3.0,))
        with self.assertRaisesRegex(errors.InputError, "embed_dim is 20"):
            self.inherited(architecture=beyond)
        with self.assertRaisesRegex(errors.InputError, "is not given"):
            self.inherited(architecture=None)

    def test_an_export_has_the_weights_it_was_made_with(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        source = dataclasses.replace(DIGITS, mean=(0.1, 0.2, 0.3))
        # The signature for files takes most of the time of an export.
        with mock.patch.object(
            served.Served, "_classify_bytes", lambda _, subnet, x: {"x": x}
        ):
            savedmodel.export(self.supernet, SUBNET, source, folder, 12)
        initial = read(init="export", export=folder)
        self.assertEqual(initial.architecture, SUBNET)
        self.assertEqual(initial.source, source)
        self.assertEqual(
            initial.model, dataclasses.replace(tiny.DIGITS_MODEL, image_size=12)
        )
        network = initial_lib.network(initial, initial.model, list(range(10)))
        images = tf.random.stateless_normal([3, 12, 12, 3], [0, 1])
        np.testing.assert_allclose(
            network(images),
            subnet_lib.inherit(self.supernet, SUBNET, 12)(images),
            atol=1e-5,
        )
        (folder / names.NETWORK_FILE).unlink()
        with self.assertRaisesRegex(
            errors.InputError, "must be an export of one subnet"
        ):
            read(init="export", export=folder)


class PositionTest(absltest.TestCase):
    def test_from_224_to_384_pixels_it_is_interpolated_but_for_the_token(self):
        old = dataclasses.replace(
            tiny.MODEL, image_size=224, patch_size=16, channels=1
        )
        network = subnet_lib.build(old, OTHER)
        position = np.random.default_rng(0).normal(size=[1, 197, 8])
        weights = {"position": {"embedding": tf.constant(position, tf.float32)}}
        initial = initial_lib.Initial(old, OTHER, weights=weights)
        model = initial.with_fields({"image_size": 384})

        network = initial_lib.network(initial, model, [-1] * 5)

        found = network.get_layer("position").embedding.numpy()
        expected = torch.nn.functional.interpolate(
            torch.tensor(position[:, 1:].reshape(1, 14, 14, 8)).permute(
                0, 3, 1, 2
            ),
            size=(24, 24),
            mode="bicubic",
            align_corners=False,
        ).permute(0, 2, 3, 1)
        self.assertEqual(found.shape, (1, 577, 8))
        np.testing.assert_array_equal(
            found[:, 0], position[:, 0].astype(np.float32)
        )
        np.testing.assert_allclose(
            found[0, 1:], expected.numpy().reshape(576, 8), atol=1e-5
        )


class LayoutTest(parameterized.TestCase):
    def test_a_flat_bias_serves_the_same_heads(self):
        flat = dataclasses.replace(tiny.MODEL, qkv_bias_layout="flat")
        supernet = supernet_lib.Supernet(flat, tiny.SPACE)
        for variable in supernet.variables:
            variable.assign_add(tf.random.normal(variable.shape, stddev=0.3))
        initial = initial_lib.Initial(
            flat, SUBNET, weights=supernet.slices(extents.of(SUBNET))
        )
        model = initial.with_fields({})
        self.assertEqual(model.qkv_bias_layout, "heads")
        images = tf.random.stateless_normal([2, 12, 12, 3], [0, 1])
        np.testing.assert_allclose(
            initial_lib.network(initial, model, list(range(5)))(images),
            supernet(images, SUBNET),
            atol=1e-5,
        )


class PrecisionTest(absltest.TestCase):
    def test_only_the_products_before_the_head_are_in_16_bits(self):
        initial = initial_lib.Initial(tiny.MODEL, SUBNET)
        network = initial_lib.network(
            initial, tiny.MODEL, [-1] * 5, "mixed_bfloat16"
        )
        attend = network.get_layer("block_0.attention")
        self.assertEqual(attend.compute_dtype, "bfloat16")
        self.assertEqual(network.output.dtype, tf.float32)
        for variable in network.variables:
            self.assertEqual(variable.dtype, tf.float32)
        policy = tf.keras.mixed_precision.global_policy()
        self.assertEqual(policy.name, "float32")


class DefaultTest(absltest.TestCase):
    def test_without_a_supernet_the_network_is_the_papers(self):
        initial = read(init="random", architecture=SUBNET)
        self.assertEqual(initial.model, experiment_lib.DEFAULT.model)


if __name__ == "__main__":
    absltest.main()
