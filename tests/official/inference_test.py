"""What official tensors tell about their network, and what is wrong in them."""

import numpy as np
from absl.testing import absltest, parameterized

from tests.helpers import states
from tf_autoformer import errors
from tf_autoformer.official import inference
from tf_autoformer.space import extents, search_space
from tf_autoformer.space import model as model_lib

KEY_TABLE = "blocks.0.attn.rel_pos_embed_k.embeddings_table_v"


def _empty(**options) -> states.State:
    shapes = states.shapes(**options)
    return {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}


class InferTest(parameterized.TestCase):
    @parameterized.parameters(
        # Embed dim, depth, heads, ratio, patch, grid, classes, range.
        (128, 3, 2, 4.0, 8, 4, 10, 2),
        (64, 1, 1, 3.5, 4, 1, 2, 1),
        (192, 12, 3, 0.5, 16, 3, 1000, 14),
        (320, 2, 5, 1.25, 2, 5, 7, 3),
    )
    def test_finds_every_size(
        self, embed, depth, heads, ratio, patch, grid, classes, offset
    ):
        state = _empty(
            embed_dim=embed,
            depth=depth,
            num_heads=heads,
            hidden_dim=int(embed * ratio),
            patch_size=patch,
            patches=grid**2,
            num_classes=classes,
            max_offset=offset,
        )
        model, allocation = inference.infer(state, {})
        self.assertEqual(
            allocation, search_space.Allocation(embed, depth, heads, ratio)
        )
        self.assertEqual(
            model,
            model_lib.ModelConfig(
                num_classes=classes,
                image_size=patch * grid,
                patch_size=patch,
                head_dim=64,
                pooling="average",
                position="both",
                max_relative_offset=offset,
                qkv_bias_layout="flat",
            ),
        )

    # Quotients of these, times the first again, fall short of the second.
    @parameterized.parameters((448, 61), (448, 453), (448, 920))
    def test_the_ratio_makes_the_hidden_dim(self, embed_dim, hidden_dim):
        state = _empty(embed_dim=embed_dim, hidden_dim=hidden_dim, num_heads=7)
        _, allocation = inference.infer(state, {})
        self.assertLess(int(embed_dim * (hidden_dim / embed_dim)), hidden_dim)
        self.assertEqual(
            extents.of(allocation.architecture).hidden_dim, (hidden_dim,) * 2
        )

    @parameterized.parameters(*states.POSITIONS)
    def test_position_is_what_there_are_tensors_for(self, position):
        state = _empty(position=position)

        model, _ = inference.infer(state, {}, image_size=12)

        self.assertEqual(model.position, position)

    @parameterized.parameters(
        # args, pooling -> pooling.
        ({"gp": True}, None, "average"),
        ({"gp": False}, None, "cls"),
        ({"gp": True}, "average", "average"),
        ({"gp": False}, "cls", "cls"),
        ({}, "cls", "cls"),
        ({}, "average", "average"),
        ({}, None, "average"),
        ({"gp": "what"}, "cls", "cls"),
    )
    def test_pooling_is_what_the_args_or_the_user_say(self, args, said, found):
        model, _ = inference.infer(_empty(), args, said)
        self.assertEqual(model.pooling, found)

    @parameterized.parameters((True, "cls"), (False, "average"))
    def test_pooling_that_contradicts_the_args_is_refused(self, gp, said):
        with self.assertRaisesRegex(
            errors.InputError, rf"pooling is {said}; .*args\.gp"
        ):
            inference.infer(_empty(), {"gp": gp}, said)

    def test_drop_path_is_what_the_args_say(self):
        model, _ = inference.infer(_empty(), {"drop_path": 0.25})
        self.assertEqual(model.drop_path, 0.25)

    def test_without_absolute_position_the_image_size_must_be_said(self):
        state = _empty(position="relative")
        with self.assertRaisesRegex(errors.InputError, "pos_embed.*image_size"):
            inference.infer(state, {})
        for args, said, found in (
            ({"input_size": 16}, None, 16),
            ({"input_size": 16}, 24, 24),
            ({}, (8, 12), (8, 12)),
        ):
            model, _ = inference.infer(state, args, image_size=said)
            self.assertEqual(model.image_size, found)

    def test_a_grid_that_is_no_square_must_be_said(self):
        state = _empty(patches=3 * 5)
        with self.assertRaisesRegex(
            errors.InputError, "pos_embed has 16 tokens.*image_size"
        ):
            inference.infer(state, {"input_size": 12})

        model, _ = inference.infer(state, {}, image_size=(12, 20))

        self.assertEqual(model.grid, (3, 5))

    def test_an_image_size_of_other_patches_is_refused(self):
        with self.assertRaisesRegex(
            errors.InputError, r"pos_embed must have \[1, 17, 128\].*1, 10, 128"
        ):
            inference.infer(_empty(), {}, image_size=16)

    def test_a_supernet_of_one_qkv_width_is_refused(self):
        with self.assertRaisesRegex(errors.InputError, "change_qkv is False"):
            inference.infer(_empty(), {"change_qkv": False})


DEIT_KEYS = (
    *("cls_token", "pos_embed", "patch_embed.proj.weight"),
    *("blocks.0.norm1.weight", "blocks.0.attn.qkv.weight", "head.weight"),
)


class BadStateTest(parameterized.TestCase):
    def _check_refused(self, state, *patterns: str) -> None:
        with self.assertRaises(errors.InputError) as caught:
            inference.infer(state, {})
        for pattern in patterns:
            self.assertRegex(str(caught.exception), pattern)
        self.assertNotIn("\n", str(caught.exception))

    def test_every_key_is_needed(self):
        for key in states.shapes():
            # Without these alone it is another network, but for the last.
            if key in ("pos_embed", KEY_TABLE):
                continue
            with self.subTest(key):
                state = _empty()
                del state[key]
                self._check_refused(state, rf"\b{key}\b")

    def test_a_missing_key_is_named_with_its_shape(self):
        state = _empty()
        del state["blocks.1.fc2.weight"]
        self._check_refused(state, r"missing: .*blocks\.1\.fc2.*\[128, 256\]")

    def test_a_block_that_lacks_in_between(self):
        state = _empty(depth=3)
        state = {k: v for k, v in state.items() if ".1." not in k}
        self._check_refused(state, r"missing: blocks\.1\..* and 13 more")

    def test_relative_position_in_some_blocks_alone(self):
        for block in ("0", "1"):
            with self.subTest(block):
                state = {
                    key: tensor
                    for key, tensor in _empty().items()
                    if not key.startswith(f"blocks.{block}.attn.rel_pos")
                }
                self._check_refused(state, r"blocks\.[01]\.attn\.rel_pos_emb")

    @parameterized.parameters(
        ("blocks.0.attn.gate", r"blocks\.0\.attn\.gate \[3, 5\].*expected"),
        ("dist_token", r"dist_token \[3, 5\].*expected none"),
    )
    def test_a_key_too_many(self, key, pattern):
        state = _empty() | {key: np.zeros([3, 5], np.float32)}
        self._check_refused(state, pattern)

    def test_every_wrong_shape_is_named_with_both(self):
        for key, shape in states.shapes().items():
            state = _empty()
            wrong = (*shape[:-1], shape[-1] + 1)
            state[key] = np.zeros(wrong, np.float32)
            with self.subTest(key):
                with self.assertRaises(errors.InputError) as caught:
                    inference.infer(state, {})
                message = str(caught.exception)
                self.assertRegex(message, r"[\w.]+ must have \[.*it has \[")
                self.assertNotIn("\n", message)

    @parameterized.parameters(
        ("patch_embed_super.proj.weight", (128, 3, 4, 5), r"3, patch, patch"),
        ("patch_embed_super.proj.weight", (128, 1, 4, 4), r"3, patch, patch"),
        ("patch_embed_super.proj.weight", (128, 3), r"4 axes"),
        ("blocks.0.attn.qkv.weight", (200, 128), r"\[384, 128\]"),
        ("patch_embed_super.proj.weight", (100, 3, 4, 4), "64·heads"),
        ("blocks.1.attn.qkv.weight", (192, 128), r"\[384, 128\]"),
        ("blocks.0.attn.qkv.bias", (192,), r"\[384\]"),
        ("blocks.0.fc1.weight", (256,), r"2 axes"),
        ("blocks.1.fc1.weight", (255, 128), r"\[256, 128\]"),
        ("blocks.1.attn.proj.weight", (64, 128), r"\[128, 128\]"),
        (KEY_TABLE, (5, 64), r"2·range \+ 2"),
        (KEY_TABLE, (2, 64), r"2·range \+ 2"),
        (KEY_TABLE, (4, 32), r"\[4, 64\]"),
        ("head.weight", (10, 127), r"\[10, 128\]"),
        ("head.weight", (0, 128), r"2 axes"),
        ("pos_embed", (10, 128), r"3 axes"),
        ("cls_token", (128,), r"\[1, 1, 128\]"),
    )
    def test_a_wrong_shape(self, key, shape, expected):
        state = _empty() | {key: np.zeros(shape, np.float32)}
        found = ", ".join(map(str, shape))
        self._check_refused(
            state, rf"{key} must have .*{expected}.* it has \[{found}\]"
        )

    def test_another_model(self):
        state = {key: np.zeros([3, 5], np.float32) for key in DEIT_KEYS}
        self._check_refused(
            state,
            r"no tensor patch_embed_super\.proj\.weight.*official AutoFormer",
            r"it has cls_token, pos_embed, patch_embed\.proj.* and 3 more",
        )

    def test_no_tensors(self):
        self._check_refused({}, r"patch_embed_super.*it has none")

    @parameterized.parameters(np.nan, np.inf, -np.inf)
    def test_a_value_that_is_not_finite(self, value):
        for key in ("pos_embed", "blocks.1.fc2.bias"):
            state = _empty()
            state[key].flat[-1] = value
            self._check_refused(state, rf"{key} must be finite")


if __name__ == "__main__":
    absltest.main()
