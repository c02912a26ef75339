"""The card in an export has what is known of the subnet, and no more."""

import json
import pathlib

from absl.testing import absltest

from tests.helpers import tiny
from tf_autoformer.data.sources import datasets
from tf_autoformer.serving import model_card, savedmodel
from tf_autoformer.space import cost
from tf_autoformer.supernet import subnet, supernet

SUBNET = tiny.SPACE.smallest


class ModelCardTest(absltest.TestCase):
    def _export(self, *arguments) -> pathlib.Path:
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        network = supernet.Supernet(tiny.DIGITS_MODEL, tiny.SPACE)
        self.params = subnet.inherit(network, SUBNET, (8, 16)).count_params()
        source = datasets.source("digits")
        savedmodel.export(network, SUBNET, source, folder, (8, 16), *arguments)
        return folder / "assets.extra"

    def test_it_has_architecture_cost_accuracy_and_data(self):
        extra = self._export(model_card.Origin("digits", 0.8125))
        card = json.loads((extra / "model_card.json").read_text())
        self.assertEqual(card["architecture"], SUBNET.to_dict())
        self.assertEqual(card["image_size"], [8, 16])
        # The network's own count of its variables.
        self.assertEqual(card["params"], self.params)
        self.assertGreater(card["macs"], cost.macs(tiny.DIGITS_MODEL, SUBNET))
        self.assertEqual(card["validation_accuracy"], 0.8125)
        self.assertEqual(card["labels"], [str(digit) for digit in range(10)])
        text = (extra / "model_card.md").read_text()
        for line in (
            "| validation accuracy | 81.25% |",
            "| data set | digits |",
            f"| parameters | {self.params:,} |",
            "| input | 8 x 16 pixels in patches of 4 |",
            "| classes | 10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 |",
        ):
            self.assertIn(line, text)

    def test_what_is_unknown_is_not_invented(self):
        extra = self._export()
        text = (extra / "model_card.md").read_text()
        self.assertIn("| validation accuracy | not measured |", text)
        self.assertIn("| data set | unknown |", text)

    def test_commands_are_of_what_was_exported(self):
        source = datasets.source("digits")
        network = (SUBNET, tiny.DIGITS_MODEL, source, model_card.Origin())
        for formats, has_commands in (
            (("savedmodel", "onnx"), True),
            (("onnx",), False),
        ):
            extra = pathlib.Path(self.create_tempdir().full_path)
            card = model_card.content(*network, formats)
            self.assertEqual(card["formats"], list(formats))
            model_card.write(extra, card)
            text = (extra / "model_card.md").read_text()
            self.assertEqual("tf_autoformer.serve" in text, has_commands)
            self.assertEqual("The models take RGB" in text, not has_commands)
            self.assertIn("## Licence", text)


if __name__ == "__main__":
    absltest.main()
