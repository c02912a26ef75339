"""Classes are matched by name, and a source's JSON form comes back."""

import dataclasses
import json

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.data.sources import source

SOURCE = source.Source(("cat", "dog", "owl"), crop=None)
KNOWN = ("owl", "cat", "dog")


class PositionsTest(absltest.TestCase):
    def test_they_are_those_of_the_same_names(self):
        for labels, wanted in (
            (("owl", "cat", "dog"), (0, 1, 2)),
            (("cat", "dog", "owl"), (1, 2, 0)),
            (("dog",), (2,)),
        ):
            self.assertEqual(source.positions(labels, KNOWN), wanted)

    def test_the_first_that_is_unknown_is_named(self):
        with self.assertRaisesRegex(
            errors.InputError,
            r"class 1, 'Dog', is none of the supernet's 3 classes: 'owl', "
            "'cat', 'dog'$",
        ):
            source.positions(("cat", "Dog", "ant"), KNOWN)

    def test_of_many_classes_ten_are_shown(self):
        with self.assertRaisesRegex(errors.InputError, r"'9' and 90 more$"):
            source.positions(("x",), tuple(map(str, range(100))))


class SourceTest(parameterized.TestCase):
    def test_its_json_form_comes_back(self):
        for each in (SOURCE, dataclasses.replace(SOURCE, crop=0.5)):
            form = json.loads(json.dumps(dataclasses.asdict(each)))
            self.assertEqual(source.Source.from_dict(form), each)

    @parameterized.parameters(
        ({"labels": []}, r"labels is \[\]; it must be a list of names"),
        ({"labels": "cat"}, "labels is 'cat'; it must be a list"),
        ({"labels": ["cat", 1]}, "labels is 1, of the wrong type"),
        ({"crop": "all"}, "crop is 'all', of the wrong type"),
        ({"mean": [0.5, 0.5]}, "mean is .*, of the wrong type"),
        ({"size": 8}, "unknown size"),
        ({"labels": ["a", "a"]}, "labels is .*; its names must differ"),
        ({"labels": ["\ud800"]}, "labels is .*; its names must .* in UTF-8"),
        ({"mean": [10**400, 0, 0]}, r"mean is 10+[.]{3}0+; it must be in \[0"),
        ({"std": [0, 0.5, 0.5]}, "std is 0; it must be positive$"),
        ({"std": [0.5, 0.5, -1]}, "std is -1; it must be positive$"),
        ({"crop": 0}, "crop is 0; it must be above 0, up to 1$"),
        ({"crop": 7.5}, "crop is 7.5; it must be above 0, up to 1$"),
    )
    def test_another_form_is_refused_by_field(self, change, message):
        form = json.loads(json.dumps(dataclasses.asdict(SOURCE)))
        with self.assertRaisesRegex(errors.InputError, message):
            source.Source.from_dict(form | change)

    def test_names_that_are_numbers_are_told_from_others(self):
        self.assertTrue(source.Source(("0", "1", "2")).is_numbered)
        self.assertFalse(source.Source(("0", "2", "1")).is_numbered)
        self.assertFalse(SOURCE.is_numbered)


if __name__ == "__main__":
    absltest.main()
