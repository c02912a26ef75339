"""The names that the package itself offers."""

import subprocess
import sys

from absl.testing import absltest

import tf_autoformer
from tf_autoformer import errors
from tf_autoformer.experiment import workdir
from tf_autoformer.space import architecture, cost, model, search_space
from tf_autoformer.supernet import subnet, supernet


class PublicFaceTest(absltest.TestCase):
    def test_every_name_is_the_modules_own(self):
        expected = {
            "Architecture": architecture.Architecture,
            "InputError": errors.InputError,
            "ModelConfig": model.ModelConfig,
            "SEARCH_SPACES": search_space.SEARCH_SPACES,
            "SearchSpace": search_space.SearchSpace,
            "Supernet": supernet.Supernet,
            "Workdir": workdir.Workdir,
            "inherit": subnet.inherit,
            "macs": cost.macs,
            "params": cost.params,
        }

        found = {n: getattr(tf_autoformer, n) for n in tf_autoformer.__all__}

        self.assertEqual(found, expected)
        self.assertContainsSubset(expected, dir(tf_autoformer))

    def test_every_name_is_documented(self):
        for name in tf_autoformer.__all__:
            self.assertIn(f"`{name}`", tf_autoformer.__doc__)

    def test_another_name_is_no_attribute(self):
        with self.assertRaisesRegex(AttributeError, "no attribute 'Subnet'"):
            _ = tf_autoformer.Subnet

    def test_what_needs_no_tensorflow_starts_none(self):
        program = (
            "import sys, tf_autoformer as t\n"
            "model = t.ModelConfig(num_classes=1000)\n"
            "print(t.params(model, t.SEARCH_SPACES['tiny'].smallest))\n"
            "assert 'tensorflow' not in sys.modules"
        )

        printed = subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

        self.assertGreater(int(printed), 4_000_000)


if __name__ == "__main__":
    absltest.main()
