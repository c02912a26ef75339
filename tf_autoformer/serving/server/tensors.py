"""TF Serving's JSON of tensors: requests to rows, rows to answers.

A request has either "instances", a list of rows, or "inputs", a list of values
for each input. The answer has "predictions" or "outputs" accordingly.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.serving.server import request_error

_DEFAULT = "serving_default"
_SHOWN = 80  # Characters of a value in a message.


class Query(NamedTuple):
    """A request to predict.

    Attributes:
      signature: Name of the signature.
      rows: Inputs of each row, by name, arrays without the axis of the batch.
      is_columnar: Whether the request has "inputs".
    """

    signature: str
    rows: Sequence[Mapping[str, np.ndarray]]
    is_columnar: bool


def parse(
    body: bytes, signatures: Mapping[str, Mapping[str, tf.TensorSpec]]
) -> Query:
    """Reads a request.

    Args:
      body: JSON of the request.
      signatures: Mapping of the names of signatures to the specs of their
        inputs, by name.

    Raises:
      RequestError: The request is no JSON, or does not fit the signature.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise _invalid(f"JSON Value: {_shown(request)} Is not object")
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise _invalid("'signature_name' key must be a string value.")
    name = name or _DEFAULT
    if name not in signatures:
        raise _invalid(
            f'Serving signature name: "{name}" not found in signature def'
        )
    has_rows, has_columns = "instances" in request, "inputs" in request
    if has_rows and has_columns:
        raise _invalid(
            "Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist"
        )
    specs = signatures[name]
    if has_rows:
        return Query(name, _rows(request["instances"], specs), False)
    if has_columns:
        return Query(name, _columns(request["inputs"], specs), True)
    raise _invalid("Missing 'inputs' or 'instances' key")


def encode(
    answers: Sequence[Mapping[str, np.ndarray]], is_columnar: bool
) -> bytes:
    """The JSON of an answer.

    Args:
      answers: Outputs of each row, by name, at least one row.
      is_columnar: Whether the request had "inputs".
    """
    rows = [
        {name: _plain(name, value) for name, value in row.items()}
        for row in answers
    ]
    names = list(rows[0])
    if is_columnar:
        columns = {name: [row[name] for row in rows] for name in names}
        content = {"outputs": columns if len(names) > 1 else columns[names[0]]}
    else:
        values = rows if len(names) > 1 else [row[names[0]] for row in rows]
        content = {"predictions": values}
    return json.dumps(content).encode()


def _rows(
    instances: Any, specs: Mapping[str, tf.TensorSpec]
) -> list[dict[str, np.ndarray]]:
    """Reads the row format."""
    if not isinstance(instances, list):
        raise _invalid("Excepting 'instances' to be an list/array")
    if not instances:
        raise _invalid("No values in 'instances' array")
    rows = []
    for number, instance in enumerate(instances):
        if not isinstance(instance, dict) or _is_bytes(instance):
            if len(specs) > 1:
                raise _invalid(
                    "instances is a plain list, but expecting list of objects "
                    "as multiple input tensors required as per tensorinfo_map"
                )
            row = {next(iter(specs)): instance}
        else:
            row = instance
        if set(row) != set(specs):
            raise _invalid(
                f"Failed to process element: {number} of 'instances' list. "
                f"JSON object: {_shown(instance)} keys must be equal to: "
                f"{','.join(sorted(specs))}"
            )
        try:
            rows.append(
                {name: _array(row[name], spec) for name, spec in specs.items()}
            )
        except request_error.RequestError as error:
            raise _invalid(
                f"Failed to process element: {number} of 'instances' list. "
                f"Error: {error}"
            ) from error
    return rows


def _columns(
    inputs: Any, specs: Mapping[str, tf.TensorSpec]
) -> list[dict[str, np.ndarray]]:
    """Reads the columnar format."""
    if not isinstance(inputs, dict) or _is_bytes(inputs):
        if len(specs) > 1:
            raise _invalid(
                "inputs is a plain value/list, but expecting an object as "
                "multiple input tensors required as per tensorinfo_map"
            )
        inputs = {next(iter(specs)): inputs}
    columns = {}
    for name in specs:
        if name not in inputs:
            raise _invalid(f"Missing named input: {name} in 'inputs' object.")
        if not isinstance(inputs[name], list) or not inputs[name]:
            raise _invalid(
                f"JSON Value: {_shown(inputs[name])} of {name} must be a list "
                "with a value for each row"
            )
        columns[name] = inputs[name]
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise _invalid(f"inputs have different numbers of rows: {lengths}")
    return [
        {
            name: _array(column[i], specs[name])
            for name, column in columns.items()
        }
        for i in range(lengths.pop())
    ]


def _array(value: Any, spec: tf.TensorSpec) -> np.ndarray:
    """The value of one row.

    Raises:
      RequestError: It has another type or shape.
    """
    dtype = spec.dtype.as_numpy_dtype
    try:
        if spec.dtype == tf.string:
            array = np.array(_strings(value), object)
        else:
            array = np.array(value)
    except ValueError as error:
        raise _invalid(
            f"JSON Value: {_shown(value)} is no array: its lists have "
            "different lengths, or are too deep"
        ) from error
    kinds = {"f": "iuf", "i": "i", "u": "iu", "b": "b", "O": "O"}
    if array.dtype.kind not in kinds[np.dtype(dtype).kind]:
        raise _invalid(
            f"JSON Value: {_shown(value)} is not of expected type: "
            f"{spec.dtype.name}"
        )
    shape = spec.shape[1:]
    if array.shape != tuple(shape):
        raise _invalid(
            f"Expecting shape {list(shape)} but got: {list(array.shape)}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        found = array.astype(dtype)
    if found.dtype.kind == "f":
        fits = np.isfinite(found).all()
    else:
        fits = (found == array).all()
    if not fits:
        raise _invalid(
            f"JSON Value: {_shown(value)} has a number that "
            f"{spec.dtype.name} does not have"
        )
    return found


def _strings(value: Any) -> Any:
    """The bytes in strings, in {"b64": …}, and in lists of them."""
    if isinstance(value, list):
        return [_strings(each) for each in value]
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    if not _is_bytes(value):
        raise _invalid(
            f"JSON Value: {_shown(value)} is not of expected type: string"
        )
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("Unable to base64 decode") from error


def _is_bytes(value: Any) -> bool:
    """Whether a value is an object that has "b64" alone."""
    return (
        isinstance(value, dict)
        and list(value) == ["b64"]
        and isinstance(value["b64"], str)
    )


def _plain(name: str, value: np.ndarray) -> Any:
    """An output of a row as JSON has it.

    Text stays text, unless the name says that it is bytes.
    """
    if isinstance(value, bytes):
        if name.endswith("_bytes"):
            return {"b64": base64.b64encode(value).decode()}
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [_plain(name, each) for each in value]
    return value.tolist()


def _shown(value: Any) -> str:
    text = errors.shown(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _invalid(message: str) -> request_error.RequestError:
    return request_error.RequestError(400, message)
