"""Every MLP has hidden units, and every ratio a number of its own."""

import contextlib

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import architecture, search_space


class HiddenUnitsTest(parameterized.TestCase):
    def test_an_mlp_without_hidden_units_is_no_architecture(self):
        architecture.Architecture(8, 2, (1, 1), (1.0, 0.125))
        with self.assertRaisesRegex(
            errors.InputError,
            r"^mlp_ratio\[1\] is 0.12; times embed_dim, 8, it must be 1 hidden",
        ):
            architecture.Architecture(8, 2, (1, 1), (1.0, 0.12))

    @parameterized.parameters(
        ((8,), (0.1, 1.0), "embed_dim 8 they give 0, 8"),
        ((8,), (1.0, 1.01), "embed_dim 8 they give 8, 8"),
        ((10, 12), (1.0, 1.1, 1.15), "embed_dim 10 they give 10, 11, 11"),
        ((10, 16), (1.0, 1.1, 1.2), None),
        ((2, 16), (0.5,), None),
    )
    def test_each_ratio_has_hidden_units_of_its_own(self, dims, ratios, found):
        refused = contextlib.nullcontext()
        if found:
            refused = self.assertRaisesRegex(
                errors.InputError,
                rf"^mlp_ratios is \(.*\); each must .* with {found}$",
            )
        with refused:
            search_space.SearchSpace(dims, (1,), (1,), ratios)


if __name__ == "__main__":
    absltest.main()
