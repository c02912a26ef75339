"""The final report on a search: the one place that looks at the test split."""

import os
import pathlib
import random
from collections.abc import Iterator, Sequence

import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.analysis import pictures
from tf_autoformer.data import pipeline, pixel_limit
from tf_autoformer.evaluation import accuracy, generation
from tf_autoformer.evolution import candidates, drawing, session
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.serving import savedmodel
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost

Architecture = architecture_lib.Architecture

_BATCH_SIZE = 256
_SHOWN = 8
# Failed draws in a row after which the report looks for no more random ones.
_ATTEMPTS = 5


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
    ):
        self._workdir = workdir
        self._search = workdir.search(name)
        self._export = pathlib.Path(export)
        self._experiment = workdir.experiment
        self._costs = (*cost.COSTS, *further_costs)
        self._constraint = session.load_constraint(
            self._search, self._experiment, self._costs
        )
        found = session.load_best(self._search)
        if found is None or savedmodel.exported_architecture(export) != found:
            raise errors.InputError(
                f"{export} does not hold the subnet that {self._search.root} "
                "found; run the search to its end, or name the version that "
                "it exported"
            )
        self._found = found
        try:
            self._signatures = tf.saved_model.load(str(export)).signatures
        except (tf.errors.OpError, OSError) as error:
            raise errors.InputError(
                f"cannot load {export}: {errors.reason(error)}"
            ) from error
        strategy = tf.distribute.get_strategy()
        trained = workdir.trained(strategy, data_dir, dataset)
        session.require_weights(self._search, trained.step)
        trained.claim()
        self._dataset = trained.dataset
        self._validation, self._test = (
            accuracy.Evaluator(strategy, trained.supernet, self._dataset, split)
            for split in ("validation", "test")
        )

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
        yield from self._table()
        yield from self._predictions()
        yield from self._paths()

    def _table(self) -> Iterator[str]:
        """The subnet found against the extremes and a random search."""
        model, space = self._experiment.model, self._experiment.space
        tries = len(candidates.CandidateFile(self._search.candidates).known)
        accuracies = self._random_search(tries)
        rows = {
            "found by the search": self._found,
            "smallest": space.smallest,
            "largest": space.largest,
        }
        if accuracies:
            random_best = max(accuracies, key=accuracies.get)
            rows[f"best of {len(accuracies)} random ones"] = random_best
        yield "accuracy with inherited weights, no retraining:"
        units = "".join(f"{each.unit:>12}" for each in self._costs)
        yield f"{'subnet':24}{units}{'validation':>12}{'test':>8}"
        for name, architecture in rows.items():
            costs = "".join(
                f"{each.number(each.measure(model, architecture)):>12}"
                for each in self._costs
            )
            yield (
                f"{name:24}{costs}"
                f"{self._validation.accuracy(architecture):>12.1%}"
                f"{self._test.accuracy(architecture):>8.1%}"
            )
        constraint = f"under the same constraint ({self._constraint})"
        if not accuracies:
            yield f"no random ones were found {constraint}"
            return
        found = "as many as the search evaluated"
        if len(accuracies) < tries:
            found = f"as many as were found instead of the search's {tries}"
        yield (
            f"the random ones, {found} and {constraint}, range from "
            f"{min(accuracies.values()):.1%} to "
            f"{max(accuracies.values()):.1%} on validation"
        )

    def _random_search(self, tries: int) -> dict[Architecture, float]:
        """Validation accuracies of as many random ones, or of those found."""
        try:
            drawn = drawing.distinct(
                self._constraint, tries, random.Random(1), attempts=_ATTEMPTS
            )
        except errors.InputError:  # The search was luckier.
            drawn = []
        return dict(generation.accuracies(self._validation, drawn))

    def _predictions(self) -> Iterator[str]:
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
        yield ""
        yield f"{self._export} on the test split: {accuracy:.1%}"

        examples = list(dataset.read("test").take(_SHOWN))
        truths = [names[label] for _, label in examples]
        shown = []
        yield f"its answers to the first {_SHOWN} test images as files:"
        for truth, (image, _) in zip(truths, examples, strict=True):
            label, remark = self._answer(image)
            shown.append(label)
            yield f"  {truth} -> {label} ({remark})"
        images, _ = next(
            iter(pipeline.images(dataset, "test", size).batch(_SHOWN))
        )
        drawing = pictures.predictions(images.numpy(), truths, shown)
        files.write_bytes(
            self._search.picture("predictions"), pictures.png(drawing)
        )

    def _answer(self, image: tf.Tensor) -> tuple[str, str]:
        """What the export answers to a file, string [], and a remark on it."""
        classify = self._signatures["serving_bytes"]
        try:
            answer = classify(image_bytes=image[None])
        except tf.errors.InvalidArgumentError:
            if self._dataset.max_pixels <= pixel_limit.PIXELS:
                raise
            return "refused", "too large for an export"
        (label,), (probabilities,) = (
            answer[name].numpy() for name in ("classes", "probabilities")
        )
        return label.decode(), f"{probabilities.max():.0%}"

    def _paths(self) -> Iterator[str]:
        """The paths of everything that was made."""
        yield ""
        yield "pictures:"
        for path in self._search.pictures():
            yield f"  {path}"
        yield f"architecture: {self._search.best}"
        yield f"SavedModel:   {self._export}"
        yield f"TensorBoard:  tensorboard --logdir {self._workdir.logs}"
