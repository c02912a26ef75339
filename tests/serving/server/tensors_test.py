"""The JSON of requests and answers is TF Serving's."""

import base64
import json

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.serving.server import request_error, tensors

SIGNATURES = {
    "serving_default": {"images": tf.TensorSpec([None, 2], tf.float32)},
    "bytes": {"image_bytes": tf.TensorSpec([None], tf.string)},
    "two": {
        "a": tf.TensorSpec([None], tf.int32),
        "b": tf.TensorSpec([None, 1], tf.string),
    },
}
B64 = {"b64": base64.b64encode(b"\xff\0").decode()}


def parse(**request) -> tensors.Query:
    return tensors.parse(json.dumps(request).encode(), SIGNATURES)


class ParseTest(parameterized.TestCase):
    @parameterized.parameters(
        {"instances": [[1, 2.5], [3, 4]]},
        {"instances": [{"images": [1, 2.5]}, {"images": [3, 4]}]},
        {"inputs": [[1, 2.5], [3, 4]]},
        {"inputs": {"images": [[1, 2.5], [3, 4]]}},
    )
    def test_both_formats_name_their_input_or_not(self, **request):
        found = parse(**request)
        self.assertEqual(found.signature, "serving_default")
        self.assertEqual(found.is_columnar, "inputs" in request)
        self.assertLen(found.rows, 2)
        for row, expected in zip(found.rows, ([1, 2.5], [3, 4]), strict=True):
            self.assertEqual(row["images"].dtype, np.float32)
            np.testing.assert_array_equal(row["images"], expected)

    @parameterized.parameters(
        {"instances": [B64, "text"]},
        {"instances": [{"image_bytes": B64}, {"image_bytes": "text"}]},
        {"inputs": [B64, "text"]},
        {"inputs": {"image_bytes": [B64, "text"]}},
    )
    def test_bytes_are_base64_and_text_is_itself(self, **request):
        found = parse(signature_name="bytes", **request)
        values = [row["image_bytes"].item() for row in found.rows]
        self.assertEqual(values, [b"\xff\0", b"text"])

    def test_half_a_character_is_some_bytes(self):
        found = parse(signature_name="bytes", instances=["\ud800"])
        self.assertEqual(found.rows[0]["image_bytes"].item(), b"\xed\xa0\x80")

    @parameterized.parameters(
        {"instances": [{"a": 1, "b": ["x"]}, {"a": 2, "b": [B64]}]},
        {"inputs": {"a": [1, 2], "b": [["x"], [B64]]}},
    )
    def test_several_inputs_are_named(self, **request):
        rows = parse(signature_name="two", **request).rows
        self.assertEqual([row["a"] for row in rows], [1, 2])
        self.assertEqual(
            [row["b"].tolist() for row in rows], [[b"x"], [b"\xff\0"]]
        )

    @parameterized.parameters(
        ({}, "Missing 'inputs' or 'instances' key"),
        (
            {"instances": [], "inputs": []},
            "only one of 'inputs' or 'instances'",
        ),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": 1}, "Excepting 'instances' to be an list/array"),
        (
            {"instances": [[1, 2], [3]]},
            r"element: 1 .*shape \[2\] but got: \[1",
        ),
        ({"instances": [[1, [2]]]}, "no array: its lists have"),
        ({"instances": [[1e300, 1]]}, "number that float32 does not have"),
        ({"instances": [[float("nan"), 1]]}, "number that float32 does not"),
        (
            {"signature_name": "two", "inputs": {"a": [2**40], "b": [["x"]]}},
            "number that int32 does not have",
        ),
        ({"instances": [[1, "2"]]}, "not of expected type: float32"),
        ({"instances": [[1, None]]}, "not of expected type: float32"),
        ({"instances": [[True, False]]}, "not of expected type: float32"),
        ({"instances": [{"x": 1}]}, "keys must be equal to: images"),
        ({"inputs": {"x": [1]}}, "Missing named input: images"),
        ({"inputs": {"images": 1}}, "must be a list with a value for each row"),
        ({"inputs": []}, "must be a list with a value for each row"),
        ({"instances": [1], "signature_name": "x"}, '"x" not found in signat'),
        ({"instances": [1], "signature_name": 1}, "must be a string value"),
        (
            {"instances": [{"b64": "!"}], "signature_name": "bytes"},
            "Unable to base64 decode",
        ),
        ({"instances": [1], "signature_name": "bytes"}, "type: string"),
        ({"instances": [1], "signature_name": "two"}, "multiple input tensors"),
        ({"inputs": [1], "signature_name": "two"}, "multiple input tensors"),
        (
            {"inputs": {"a": [1], "b": [["x"]] * 2}, "signature_name": "two"},
            "different numbers of rows",
        ),
    )
    def test_what_does_not_fit_is_refused(self, request, message):
        with self.assertRaisesRegex(
            request_error.RequestError, message
        ) as caught:
            parse(**request)
        self.assertEqual(caught.exception.status, 400)

    @parameterized.parameters(
        (b"", "JSON Parse error"),
        (b"{", "JSON Parse error"),
        (b"\xff", "JSON Parse error"),
        (b"[" * 100_000, "JSON Parse error"),
        (b"[]", "Is not object"),
    )
    def test_what_is_no_request_is_refused(self, body, message):
        with self.assertRaisesRegex(request_error.RequestError, message):
            tensors.parse(body, SIGNATURES)


class EncodeTest(absltest.TestCase):
    ANSWERS = (
        {
            "p": np.float32([0.5, 1]),
            "label": b"caf\xc3\xa9",
            "x_bytes": b"\xff",
        },
        {"p": np.float32([0, 2]), "label": b"", "x_bytes": b""},
    )

    def test_rows_are_objects(self):
        found = json.loads(tensors.encode(self.ANSWERS, False))
        self.assertEqual(
            found["predictions"],
            [
                {"p": [0.5, 1], "label": "café", "x_bytes": {"b64": "/w=="}},
                {"p": [0, 2], "label": "", "x_bytes": {"b64": ""}},
            ],
        )

    def test_columns_are_lists(self):
        found = json.loads(tensors.encode(self.ANSWERS, True))
        self.assertEqual(
            found["outputs"],
            {
                "p": [[0.5, 1], [0, 2]],
                "label": ["café", ""],
                "x_bytes": [{"b64": "/w=="}, {"b64": ""}],
            },
        )

    def test_a_single_output_has_no_name(self):
        answers = [{"label": np.array([b"a", b"b"], object)}]
        for is_columnar, key in ((False, "predictions"), (True, "outputs")):
            found = json.loads(tensors.encode(answers, is_columnar))
            self.assertEqual(found, {key: [["a", "b"]]})


if __name__ == "__main__":
    absltest.main()
