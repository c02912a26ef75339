"""Official checkpoints give the official logits, and go back to the bit.

The golden files hold what the official code computes; the layout of all other
states is spelled out in `states`, from a description of that code.
"""

import dataclasses
import itertools

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import states, tiny
from tf_autoformer import errors
from tf_autoformer.official import inference, torch_file, weights
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, extents, published, search_space
from tf_autoformer.supernet import subnet
from tf_autoformer.supernet import supernet as supernet_lib

Architecture = architecture_lib.Architecture


def _imported(
    state: states.State,
    space: search_space.SearchSpace | None = None,
    **untold,
) -> supernet_lib.Supernet:
    model, allocation = inference.infer(state, {}, **untold)
    if space is None:
        space = search_space.everything_in(allocation)
    space = dataclasses.replace(space, allocation=allocation)
    supernet = supernet_lib.Supernet(model, space)
    weights.load(supernet, state)
    return supernet


class GoldenTest(parameterized.TestCase):
    @parameterized.parameters(*states.NAMES)
    def test_logits_and_params_are_the_official_codes(self, name):
        golden = states.golden(name)
        state, _ = torch_file.read(golden.path)
        supernet = _imported(state, pooling=golden.pooling)
        self.assertLen(golden.architectures, 4)

        for architecture, params, logits in zip(
            golden.architectures, golden.params, golden.logits, strict=True
        ):
            # Else a comparison would prove little.
            self.assertGreater(np.std(logits, axis=0).min(), 0.05)
            standalone = subnet.inherit(supernet, architecture)
            for found in (
                supernet(golden.images, architecture),
                standalone(golden.images),
            ):
                np.testing.assert_allclose(found, logits, atol=1e-5, rtol=0)
            self.assertEqual(cost.params(supernet.model, architecture), params)
            self.assertEqual(standalone.count_params(), params)

    def test_the_wrong_pooling_gives_other_logits(self):
        golden = states.golden("supernet_small_gap")
        supernet = _imported(torch_file.read(golden.path)[0], pooling="cls")

        found = supernet(golden.images, golden.architectures[0])

        self.assertGreater(np.abs(found - golden.logits[0]).max(), 0.1)


class RoundTripTest(parameterized.TestCase):
    def _check_dump(self, supernet, state) -> None:
        dumped = weights.dump(supernet)
        self.assertCountEqual(dumped, state)
        for key, tensor in state.items():
            self.assertEqual(dumped[key].dtype, np.float32)
            self.assertEqual(dumped[key].shape, tensor.shape, key)
            self.assertEqual(dumped[key].tobytes(), tensor.tobytes(), key)

    @parameterized.parameters(*states.NAMES)
    def test_a_golden_state_comes_back_to_the_bit(self, name):
        golden = states.golden(name)
        state, _ = torch_file.read(golden.path)
        self._check_dump(_imported(state, pooling=golden.pooling), state)

    @parameterized.parameters(
        *((position, 9, 12) for position in states.POSITIONS),
        ("absolute", 15, (12, 20)),
    )
    def test_every_position(self, position, patches, image_size):
        state = states.random(states.shapes(patches=patches, position=position))
        supernet = _imported(state, image_size=image_size)
        self.assertEqual(supernet.model.position, position)
        self._check_dump(supernet, state)

    def test_a_grid_that_is_no_square_can_be_used(self):
        state = states.random(states.shapes(patches=3 * 5))
        supernet = _imported(state, image_size=(12, 20))
        architecture = Architecture(64, 2, (1, 2), (2.0, 0.5))
        images = tf.random.stateless_normal([2, 12, 20, 3], [0, 1])
        np.testing.assert_allclose(
            supernet(images, architecture),
            subnet.inherit(supernet, architecture)(images),
            atol=1e-5,
            rtol=0,
        )

    @parameterized.parameters(
        ("tiny", 256, 4, "autoformer_t"), ("small", 448, 7, "autoformer_s")
    )
    def test_full_size(self, name, embed_dim, heads, published_name):
        shapes = states.shapes(
            embed_dim,
            14,
            heads,
            4 * embed_dim,
            patch_size=16,
            patches=14 * 14,
            num_classes=1000,
            max_offset=14,
        )
        state = states.random(shapes, stddev=0.05)
        space = search_space.SEARCH_SPACES[name]
        supernet = _imported(state, space)

        self.assertEqual(supernet.space, space)
        self._check_dump(supernet, state)
        images = tf.random.stateless_normal([2, 224, 224, 3], [0, 1])
        architecture = published.load(published_name)
        if name == "tiny":
            # Its MLP ratios have a 3, which the space's choices lack.
            self.assertIn("mlp_ratio", space.rule_for(architecture))
        for each in (architecture, space.largest):
            logits = supernet(images, each)
            self.assertGreater(np.std(logits), 0.05)
            np.testing.assert_allclose(
                logits,
                subnet.inherit(supernet, each)(images),
                atol=1e-5,
                rtol=0,
            )


class QkvTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        shapes = states.shapes(192, 1, 3, 96, position="absolute")
        self.state = states.random(shapes)
        self.supernet = _imported(self.state)
        self.layer = self.supernet.elastic_layers()["block_0.attention"]

    def test_weight_rows_are_interleaved(self):
        kernel = self.layer.qkv_kernel.numpy()
        weight = self.state["blocks.0.attn.qkv.weight"]

        self.assertEqual(kernel.shape, (192, 3, 3, 64))
        for head, d, c in itertools.product(range(3), range(64), range(3)):
            np.testing.assert_array_equal(
                kernel[:, c, head, d], weight[3 * (64 * head + d) + c]
            )

    @parameterized.parameters(1, 2, 3)
    def test_the_flat_bias_is_divided_by_the_subnets_own_heads(self, heads):
        embed = 8 * heads
        bias = self.state["blocks.0.attn.qkv.bias"]
        x = np.random.RandomState(0).randn(10, embed).astype(np.float32)
        architecture = Architecture(embed, 1, (heads,), (0.5,))
        sizes = extents.sizes(self.supernet.model, embed, heads, 4)

        expected = self._attention_by_hand(x, heads)

        x = tf.constant(x[None])
        weights = self.layer.slices(sizes)
        standalone = subnet.inherit(self.supernet, architecture)
        inherited = standalone.get_layer("block_0.attention")
        for found in (
            self.layer.forward(x, weights)[0],
            inherited(x)[0],
        ):
            np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
        for held in (weights["qkv_bias"], inherited.qkv_bias):
            np.testing.assert_array_equal(held, bias[: 3 * 64 * heads])

    def _attention_by_hand(self, x: np.ndarray, heads: int) -> np.ndarray:
        tensors = {
            key: self.state[f"blocks.0.attn.{key}"]
            for key in ("qkv.weight", "qkv.bias", "proj.weight", "proj.bias")
        }
        embed, width = x.shape[1], 64 * heads
        context = np.zeros([len(x), width])
        for head in range(heads):
            parts = np.zeros([3, len(x), 64])
            for d, c in itertools.product(range(64), range(3)):
                row = tensors["qkv.weight"][3 * (64 * head + d) + c]
                bias = tensors["qkv.bias"][c * width + 64 * head + d]
                parts[c, :, d] = x @ row[:embed] + bias
            query, key, value = parts
            attention = np.exp(query @ key.T / 8)
            attention /= attention.sum(axis=1, keepdims=True)
            context[:, 64 * head : 64 * head + 64] = attention @ value
        projection = tensors["proj.weight"][:embed, :width]
        return context @ projection.T + tensors["proj.bias"][:embed]


# The official code allocates 64 times the heads: 128 and, because of the
# embedding dimension, 256.
NARROW = search_space.SearchSpace((8, 24), (1, 2), (1, 2), (0.5, 2.0))
WIDE = search_space.SearchSpace((24, 200), (1, 2), (1, 2), (0.5, 2.0))


def _own(space=NARROW, **options) -> supernet_lib.Supernet:
    tf.keras.utils.set_random_seed(0)
    model = dataclasses.replace(
        tiny.MODEL, **{"head_dim": weights.HEAD_DIM, **options}
    )
    supernet = supernet_lib.Supernet(model, space)
    for variable in supernet.variables:
        variable.assign_add(0.1 * tf.random.normal(variable.shape))
    return supernet


class DumpTest(parameterized.TestCase):
    @parameterized.parameters((NARROW, 2), (WIDE, 4))
    def test_subnets_of_the_named_heads_keep_their_logits(self, space, heads):
        supernet = _own(space)
        images = tf.random.stateless_normal([2, 12, 12, 3], [0, 1])
        embed_dims = space.embed_dims
        others = []
        for num_heads in ((1,), (2,), (1, 2), (2, 1), (1, 1), (2, 2)):
            state = weights.dump(supernet, num_heads)
            self.assertEqual(
                {key: tensor.shape for key, tensor in state.items()},
                states.shapes(64 * heads, 2, heads, 128 * heads, num_classes=5),
            )
            again = _imported(state, space)
            self.assertEqual(again.model.qkv_bias_layout, "flat")
            for embed_dim, ratio in itertools.product(embed_dims, (0.5, 2.0)):
                depth = len(num_heads)
                ratios = (ratio,) * depth
                subnet_of = Architecture(embed_dim, depth, num_heads, ratios)
                logits = supernet(images, subnet_of)
                np.testing.assert_allclose(
                    again(images, subnet_of), logits, atol=1e-5, rtol=0
                )
                other = dataclasses.replace(
                    subnet_of, num_heads=tuple(3 - n for n in num_heads)
                )
                others.append(supernet(images, other) - again(images, other))
        # Which is why the heads must be named.
        self.assertGreater(np.min(np.abs(others).max(axis=(1, 2))), 1e-3)

    def test_without_heads_named_it_is_the_largest_subnets(self):
        supernet = _own()
        for named in ((), (2,), (2, 2)):
            state = weights.dump(supernet, named)
            for key, tensor in weights.dump(supernet, (2, 2)).items():
                np.testing.assert_array_equal(state[key], tensor)

    def test_what_is_beyond_the_own_allocation_is_zero(self):
        state = weights.dump(_own())
        self.assertEqual(state["norm.weight"].shape, (128,))
        self.assertTrue(np.all(state["norm.weight"][:24]))
        self.assertFalse(np.any(state["norm.weight"][24:]))
        weight = state["blocks.1.fc1.weight"]  # [2 · 128, 128]
        self.assertTrue(np.all(weight[:48, :24]))
        self.assertFalse(np.any(weight[48:]))
        self.assertFalse(np.any(weight[:, 24:]))

    def test_unnamed_heads_are_the_largest_choice_not_the_allocation(self):
        space = dataclasses.replace(
            NARROW,
            num_heads=(1,),
            allocation=search_space.Allocation(24, 2, 2, 2.0),
        )
        supernet = _own(space)
        again = _imported(weights.dump(supernet), space)
        images = tf.random.stateless_normal([2, 12, 12, 3], [0, 1])
        np.testing.assert_allclose(
            again(images, space.largest),
            supernet(images, space.largest),
            atol=1e-5,
            rtol=0,
        )

    def test_a_flat_bias_serves_every_number_of_heads(self):
        supernet = _own(qkv_bias_layout="flat")
        again = _imported(weights.dump(supernet), NARROW)
        images = tf.random.stateless_normal([2, 12, 12, 3], [0, 1])
        for heads in itertools.product((1, 2), repeat=2):
            architecture = Architecture(24, 2, heads, (2.0, 0.5))
            np.testing.assert_allclose(
                again(images, architecture),
                supernet(images, architecture),
                atol=1e-5,
                rtol=0,
            )

    def test_another_head_dim_is_refused(self):
        with self.assertRaisesRegex(
            errors.InputError, "head_dim is 32; .* only 64"
        ):
            weights.dump(_own(head_dim=32))

    @parameterized.parameters("relative", "both")
    def test_relative_position_on_no_square_is_refused(self, position):
        with self.assertRaisesRegex(
            errors.InputError, r"image_size is \(12, 20\); .* only squares"
        ):
            weights.dump(_own(position=position, image_size=(12, 20)))

    def test_relative_position_of_the_keys_alone_is_refused(self):
        with self.assertRaisesRegex(
            errors.InputError, "position is relative_keys; .* keys and values"
        ):
            weights.dump(_own(position="relative_keys"))


if __name__ == "__main__":
    absltest.main()
