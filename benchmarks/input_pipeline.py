r"""Compares the speed of the training pipeline with that of the training.

  python -m benchmarks.input_pipeline --update=docs/training.md

With --timm also with that of timm's pipeline, which the official code uses:

  pip install --no-deps timm==0.3.2 torchvision

All sides run on all cores of the CPU and take turns. Run nothing else on the
machine at the same time.
"""

import dataclasses
import pathlib
import statistics
import tempfile

from benchmarks import comparison, table, worker
from tf_autoformer import binary, errors, rules
from tf_autoformer.supernet import cores

_PRECISIONS = ("float32", "bfloat16")
_AIM = 3
# Options that the table's command shows.
_SHOWN = ("photographs", "batch_size", "rounds", "steps", "timm")
# Batches of the pipelines for each step of a training, which is far slower.
_BATCHES = 5
# Images that a core should make in a second.
_PER_CORE = 400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the benchmark.

    Attributes:
      photographs: Number of images to read, each of 500 × 375 pixels.
      batch_size: Number of images in a step.
      rounds: Number of turns of each side.
      steps: Number of steps in a turn.
      timm: Whether timm's pipeline is measured too.
      update: Markdown file whose table to replace.
    """

    photographs: int = rules.field(512, lower_bound=1)
    batch_size: int = rules.field(16, lower_bound=2)
    rounds: int = rules.field(8, lower_bound=1)
    steps: int = rules.field(5, lower_bound=1)
    timm: bool = False
    update: pathlib.Path | None = None


def main(options: Options) -> None:
    """Measures, and prints the tables."""
    if options.update:
        table.split(options.update)  # Fails before the long work.
    if options.batch_size % 2:
        raise errors.InputError(
            f"batch_size is {options.batch_size}; it must be even, as "
            "neighbours are mixed"
        )
    if options.timm:
        comparison.require_installed(
            ["timm", "torchvision"], "--no-deps timm==0.3.2 torchvision"
        )
    kinds = len(_PRECISIONS) + options.timm
    referee = comparison.Referee(kinds * options.rounds + 1)
    with (
        tempfile.TemporaryDirectory() as folder,
        worker.Worker(
            "benchmarks.batches",
            folder=folder,
            count=options.photographs,
            batch_size=options.batch_size,
            seed=0,
        ) as batches,
    ):
        lines = _header("side", "images/s", "pipeline over training")
        for precision in _PRECISIONS:
            lines += _against_training(options, precision, batches, referee)
        if options.timm:
            lines += ["", *_header("pipeline", "images/s", "for each core")]
            lines += _against_timm(options, folder, batches, referee)
        referee.begin("stages")
        stages = batches.ask("stages")
    lines += ["", *_header("stage", "µs an image on one core")]
    lines += [f"| {name} | {1e6 * each:.0f} |" for name, each in stages.items()]
    total = 1e6 * sum(stages.values())
    command = table.command("input_pipeline", options, _SHOWN)
    lines += [f"| all | {total:.0f} |", "", table.provenance(command)]
    text = "\n".join(lines)
    if options.update:
        table.update(options.update, text)
    print(text)


def _against_training(
    options: Options,
    precision: str,
    batches: worker.Worker,
    referee: comparison.Referee,
) -> list[str]:
    """The rows of both sides, which take turns."""
    referee.begin(f"training, {precision}")
    subject = comparison.Subject(
        "tiny", precision, options.batch_size, options.rounds, options.steps, 0
    )
    drawn = subject.draw(options.rounds * options.steps)
    seconds: list[list[float]] = [[], []]
    with subject.ours() as training:
        for depth in subject.space.depths:  # An untimed step traces each.
            subnet = dataclasses.replace(subject.space, depths=(depth,)).largest
            training.ask("train", architectures=[subnet.to_dict()])
        for start in range(0, len(drawn), options.steps):
            turn = [s.to_dict() for s in drawn[start : start + options.steps]]
            seconds[0] += training.ask("train", architectures=turn)
            count = _BATCHES * options.steps
            seconds[1] += batches.ask("training", count=count)
            referee.end_round()
    trained = options.batch_size / statistics.median(seconds[0])
    made = 1 / statistics.median(seconds[1])
    verdict = "met" if made >= _AIM * trained else "missed"
    return [
        f"| training the tiny supernet, {precision} | {trained:,.0f} | |",
        f"| pipeline | {made:,.0f} | {made / trained:.1f}× "
        f"(aim ≥ {_AIM}×: {verdict}) |",
    ]


def _against_timm(
    options: Options,
    folder: str,
    batches: worker.Worker,
    referee: comparison.Referee,
) -> list[str]:
    """The rows of both pipelines, which take turns."""
    referee.begin("timm")
    with worker.Worker(
        "benchmarks.timm_batches",
        folder=folder,
        batch_size=options.batch_size,
        seed=0,
    ) as timm:
        requests = [{"count": _BATCHES * options.steps}] * options.rounds
        times = referee.alternate("training", (batches, timm), [requests] * 2)
    ours, theirs = (1 / statistics.median(seconds) for seconds in times)
    each = ours / cores.available()
    verdict = "met" if each >= _PER_CORE else "missed"
    return [
        f"| this package's, {ours / theirs:.2f}× as fast | {ours:,.0f} | "
        f"{each:,.0f} (aim ≥ {_PER_CORE}: {verdict}) |",
        f"| timm's, a process on each core | {theirs:,.0f} | "
        f"{theirs / cores.available():,.0f} |",
    ]


def _header(*names: str) -> list[str]:
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]


if __name__ == "__main__":
    binary.run(main, Options)
