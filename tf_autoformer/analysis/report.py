"""The final report on a search: the one place that looks at the test split."""

import dataclasses
import datetime
import os
import pathlib
import random
import textwrap
import types
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.analysis import pictures, report_page
from tf_autoformer.data import pipeline
from tf_autoformer.evaluation import accuracy, generation, health
from tf_autoformer.evolution import (
    candidates,
    drawing,
    search_config,
    selection,
)
from tf_autoformer.experiment import tensorboard
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.serving import savedmodel
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost

Architecture = architecture_lib.Architecture

_BATCH_SIZE = 256
_SHOWN = 8
# Failed draws in a row after which the report looks for no more random ones.
_ATTEMPTS = 5

# Lines of the report. In the end, fields of `report_page.Content`.
_Part = Generator[str, None, dict[str, Any]]


class Report:
    """Compares the subnet found with others, on validation and test split.

    Args:
      workdir: Working folder of supernet and search.
      name: Name of the search.
      export: Folder of the exported subnet.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      dataset: Name of the data set. None: the experiment's.
      further_costs: Costs beyond `cost.COSTS` to compare. A cost that the
        search bounds must be among them.
      measured: Mapping of architectures to their measured value of the first
        further cost, where the others are predictions.

    Raises:
      InputError: The supernet, the search or its export is missing, the search
        had other weights than the supernet has now, or it bounds an unknown
        cost.
    """

    def __init__(
        self,
        workdir: workdir_lib.Workdir,
        name: str,
        export: str | os.PathLike[str],
        data_dir: str | None,
        dataset: str | None = None,
        further_costs: Sequence[cost.Cost] = (),
        measured: Mapping[Architecture, float] = types.MappingProxyType({}),
    ):
        self._workdir = workdir
        self._search = workdir.search(name)
        self._export = pathlib.Path(export)
        self._data_dir = data_dir
        self._experiment = workdir.experiment
        self._further_costs = further_costs
        self._measured = measured
        self._costs = (*cost.COSTS, *further_costs)
        self._constraint = search_config.load_constraint(
            self._search, self._experiment, self._costs
        )
        found = search_config.load_best(self._search)
        if found is None or savedmodel.exported_architecture(export) != found:
            raise errors.InputError(
                f"{export} does not hold the subnet that {self._search.root} "
                "found; run the search to its end, or name the version that "
                "it exported"
            )
        self._found = found
        self._ranking = selection.ranked(
            [*candidates.CandidateFile(self._search.candidates).known.values()]
        )
        try:
            self._signatures = tf.saved_model.load(str(export)).signatures
        except (tf.errors.OpError, OSError) as error:
            raise errors.InputError(
                f"cannot load {export}: {errors.reason(error)}"
            ) from error
        strategy = tf.distribute.get_strategy()
        trained = workdir.trained(strategy, data_dir, dataset)
        search_config.require_weights(self._search, trained.step)
        trained.claim()
        self._dataset = trained.dataset
        self._validation, self._test = (
            accuracy.Evaluator(strategy, trained.supernet, self._dataset, split)
            for split in ("validation", "test")
        )

    def lines(self) -> Iterator[str]:
        """The report, line by line. At the end it is written as a page too."""
        found = yield from self._table()
        found |= yield from self._predictions()
        self._write_page(found)
        yield from self._paths()

    def _table(self) -> _Part:
        """The subnet found against the extremes and a random search."""
        model, space = self._experiment.model, self._experiment.space
        tries = len(self._ranking)
        drawn = self._drawn(tries)
        subnets = {
            "found by the search": self._found,
            "smallest": space.smallest,
            "largest": space.largest,
        }
        validation = generation.accuracies(
            self._validation, [*subnets.values(), *drawn]
        )
        if drawn:
            random_best = max(drawn, key=validation.get)
            subnets[f"best of {len(drawn)} random ones"] = random_best
        test = generation.accuracies(self._test, subnets.values())
        yield "accuracy with inherited weights, no retraining:"
        units = [each.unit for each in self._costs]
        heading = ["subnet", *units, "validation", "test"]
        yield self._line(heading)
        rows = []
        for name, architecture in subnets.items():
            costs = [
                each.number(each.measure(model, architecture))
                for each in self._costs
            ]
            found = (each[architecture] for each in (validation, test))
            rows.append([name, *costs, *(f"{share:.1%}" for share in found)])
            yield self._line(rows[-1])
        accuracies = [validation[each] for each in drawn]
        remark = self._remark(accuracies, tries)
        yield remark
        measurement = self._measurement()
        if measurement is not None:
            yield measurement
        warning = health.warning(
            validation[space.largest],
            validation[space.smallest],
            accuracies,
            self._dataset.num_examples("validation"),
        )
        if warning is not None:
            yield ""
            yield from textwrap.wrap(f"warning: {warning}", 79)
        return {
            "compared": report_page.Table(heading, rows),
            "remark": remark,
            "measurement": measurement,
            "warning": warning,
        }

    def _line(self, cells: Sequence[str]) -> str:
        """A row of the table as text."""
        name, *others, test = cells
        return f"{name:24}{''.join(f'{cell:>12}' for cell in others)}{test:>8}"

    def _remark(self, accuracies: Sequence[float], tries: int) -> str:
        """Sentence on the random subnets that there are to compare."""
        constraint = f"under the same constraint ({self._constraint})"
        if not accuracies:
            return f"no random ones were found {constraint}"
        found = "as many as the search evaluated"
        if len(accuracies) < tries:
            found = f"as many as were found instead of the search's {tries}"
        return (
            f"the random ones, {found} and {constraint}, range from "
            f"{min(accuracies):.1%} to {max(accuracies):.1%} on validation"
        )

    def _measurement(self) -> str | None:
        """Sentence on the measured cost of the subnet found."""
        if self._found not in self._measured:
            return None
        each, value = self._further_costs[0], self._measured[self._found]
        text = f"the subnet found has {each.text(value)} when it is measured"
        allowed = self._constraint.ranges.get(each)
        if allowed is None or not allowed.violation(value):
            return text
        return f"{text}, which is not {allowed}"

    def _drawn(self, tries: int) -> list[Architecture]:
        """As many random architectures, or those that were found."""
        try:
            return drawing.distinct(
                self._constraint, tries, random.Random(1), attempts=_ATTEMPTS
            )
        except errors.InputError:  # The search was luckier.
            return []

    def _predictions(self) -> _Part:
        """The export's accuracy, and its answers to some images."""
        dataset = self._dataset
        names = dataset.source.labels
        classify = self._signatures["serving_default"]
        _, inputs = classify.structured_input_signature
        size = tuple(inputs["images"].shape[1:3])
        batches = pipeline.images(dataset, "test", size).batch(_BATCH_SIZE)
        right = 0
        for images, labels in dataset.readable(batches):
            truths = tf.gather(tf.constant(names), labels)
            predicted = classify(images=images)["classes"]
            right += int(tf.math.count_nonzero(predicted == truths))
        accuracy = right / dataset.num_examples("test")
        summary = f"{self._export} on the test split: {accuracy:.1%}"
        yield ""
        yield summary

        examples = list(dataset.read("test").take(_SHOWN))
        truths = [names[label] for _, label in examples]
        rows = []
        yield f"its answers to the first {_SHOWN} test images as files:"
        for truth, (image, _) in zip(truths, examples, strict=True):
            label, remark = self._answer(image)
            rows.append((truth, label, remark))
            yield f"  {truth} -> {label} ({remark})"
        images, _ = next(
            iter(pipeline.images(dataset, "test", size).batch(_SHOWN))
        )
        drawing = pictures.predictions(
            images.numpy(), truths, [label for _, label, _ in rows]
        )
        files.write_bytes(
            self._search.picture("predictions"), pictures.png(drawing)
        )
        heading = ("right label", "answer", "probability")
        return {
            "accuracy": summary,
            "answers": report_page.Table(heading, rows),
            "images": drawing,
        }

    def _answer(self, image: tf.Tensor) -> tuple[str, str]:
        """What the export answers to a file, string [], and a remark on it."""
        answer = self._signatures["serving_bytes"](image_bytes=image[None])
        # An export of an earlier version has no errors.
        if (reason := answer.get("errors", [b""])[0]) != b"":
            return "refused", reason.numpy().decode()
        (label,), (probabilities,) = (
            answer[name].numpy() for name in ("classes", "probabilities")
        )
        return label.decode(), f"{probabilities.max():.0%}"

    def _write_page(self, found: Mapping[str, Any]) -> None:
        """Writes the page, and the architectures that its commands export."""
        search = search_config.SearchConfig.load(self._search)
        commands = []
        top = self._ranking[: report_page.TOP]
        for rank, candidate in enumerate(top, 1):
            path = self._search.top(rank)
            files.write_json(path, candidate.architecture.to_dict())
            commands.append(
                report_page.export_command(
                    self._workdir.root, path, self._data_dir
                )
            )
        content = report_page.Content(
            title=f"Search {self._search.name} in {self._workdir.root}",
            facts=self._facts(search),
            ranking=self._ranking,
            found=self._found,
            parents=search.evolution.parents,
            model=self._experiment.model,
            space=self._experiment.space,
            costs=self._costs,
            further_costs=self._further_costs,
            measured=self._measured,
            commands=commands,
            **found,
        )
        files.write_text(self._search.report, report_page.render(content))

    def _facts(self, search: search_config.SearchConfig) -> dict[str, str]:
        """Facts about the search, by name."""
        evolution, dataset = search.evolution, self._dataset
        facts = {
            "Data set": f"{self._experiment.dataset}: "
            f"{dataset.num_examples('validation'):,} validation and "
            f"{dataset.num_examples('test'):,} test images",
            "Search space": self._experiment.space.describe(),
            "Supernet": f"weights of training step {search.checkpoint_step:,}",
            "Constraint": str(self._constraint),
            "Driver": evolution.driver,
            "Parameters": ", ".join(
                f"{name.replace('_', ' ')} {value}"
                for name, value in dataclasses.asdict(evolution).items()
                if name not in ("driver", "generations", "search_seed")
            ),
            "Seed": f"{evolution.search_seed}",
            "Generations": f"{len({c.generation for c in self._ranking})}",
            "Candidates": f"{len(self._ranking):,}",
        }
        if seconds := round(tensorboard.seconds(self._search.log)):
            facts["Duration"] = (
                f"{datetime.timedelta(seconds=seconds)} (h:mm:ss), pauses left "
                "out"
            )
        return facts

    def _paths(self) -> Iterator[str]:
        """The paths of everything that was made."""
        yield ""
        yield "pictures:"
        for path in self._search.pictures():
            yield f"  {path}"
        yield f"page:         {self._search.report}"
        yield f"architecture: {self._search.best}"
        yield f"SavedModel:   {self._export}"
        yield f"TensorBoard:  tensorboard --logdir {self._workdir.logs}"
