"""Predictions as a table, as JSON or as CSV, line by line."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from tf_autoformer.serving import prediction

Predictions = Iterable[prediction.Prediction]


def table(predictions: Predictions) -> Iterator[str]:
    """A line for each file: its classes with percentages, and its path."""
    for each in predictions:
        if each.error:
            answer = f"not read: {each.error}"
        else:
            answer = "  ".join(
                f"{label} {probability:.1%}"
                for label, probability in each.classes
            )
        path = str(each.path).replace("\n", "\\n").replace("\r", "\\r")
        yield f"{path}  {answer}"


def as_json(predictions: Predictions) -> Iterator[str]:
    """A list of objects, each on a line."""
    before = "["
    for each in predictions:
        content = {
            "path": str(each.path),
            "classes": [
                {"label": label, "probability": probability}
                for label, probability in each.classes
            ],
            "error": each.error,
        }
        yield before + json.dumps(content)
        before = ","
    yield "]"


def as_csv(predictions: Predictions) -> Iterator[str]:
    """A row for each class of each file, and one for a file without any."""
    yield "path,rank,label,probability,error"
    for each in predictions:
        ranked = list(enumerate(each.classes, 1))
        rows = [
            (each.path, rank, label, probability, "")
            for rank, (label, probability) in ranked
        ]
        for row in rows or [(each.path, "", "", "", each.error)]:
            line = io.StringIO()
            csv.writer(line, lineterminator="").writerow(row)
            yield line.getvalue()


FORMATS: Mapping[str, Callable[[Predictions], Iterator[str]]] = {
    "table": table,
    "json": as_json,
    "csv": as_csv,
}
