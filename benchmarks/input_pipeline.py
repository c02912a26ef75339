r"""Compares the speed of the training pipeline with that of the training.

  python -m benchmarks.input_pipeline --update=docs/training.md

Both sides run on all cores of the CPU and take turns. Run nothing else on the
machine at the same time.
"""

import dataclasses
import os
import pathlib
import statistics
import tempfile

from absl import flags

from benchmarks import comparison, table, worker
from tf_autoformer import binary, errors

FLAGS = flags.FLAGS
_PRECISIONS = ("float32", "bfloat16")
_AIM = 3


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_integer(
        "photographs", 512, "JPEGs of 500 × 375 to read.", lower_bound=1
    )
    flags.DEFINE_integer("batch_size", 16, "Images per step.", lower_bound=2)
    flags.DEFINE_integer("rounds", 8, "Turns of each side.", lower_bound=1)
    flags.DEFINE_integer("steps", 5, "Steps per turn.", lower_bound=1)
    flags.DEFINE_string(
        "update", None, "Markdown file whose table is replaced."
    )


def main() -> None:
    """Runs the measurements and prints their tables."""
    path = FLAGS.update and pathlib.Path(os.path.expanduser(FLAGS.update))
    if path:
        table.split(path)  # Fails before the long work.
    if FLAGS.batch_size % 2:
        raise errors.InputError(
            f"batch_size is {FLAGS.batch_size}; it must be even, as neighbours "
            "are mixed"
        )
    referee = comparison.Referee(len(_PRECISIONS) * FLAGS.rounds + 1)
    with (
        tempfile.TemporaryDirectory() as folder,
        worker.Worker(
            "benchmarks.batches",
            folder=folder,
            count=FLAGS.photographs,
            batch_size=FLAGS.batch_size,
            seed=0,
        ) as batches,
    ):
        lines = _header("side", "images/s", "pipeline over training")
        for precision in _PRECISIONS:
            lines += _against_training(batches, precision, referee)
        referee.begin("stages")
        stages = batches.ask("stages")
    lines += ["", *_header("stage", "µs an image on one core")]
    lines += [f"| {name} | {1e6 * each:.0f} |" for name, each in stages.items()]
    total = 1e6 * sum(stages.values())
    lines += [f"| all | {total:.0f} |", "", table.provenance(_command())]
    text = "\n".join(lines)
    if path:
        table.update(path, text)
    print(text)


def _against_training(
    batches: worker.Worker, precision: str, referee: comparison.Referee
) -> list[str]:
    """The table's rows for training and pipeline, timed in turns."""
    referee.begin(f"training, {precision}")
    subject = comparison.Subject(
        "tiny", precision, FLAGS.batch_size, FLAGS.rounds, FLAGS.steps, 0
    )
    drawn = subject.draw(FLAGS.rounds * FLAGS.steps)
    seconds: list[list[float]] = [[], []]
    with subject.ours() as training:
        for depth in subject.space.depths:  # An untimed step traces each.
            subnet = dataclasses.replace(subject.space, depths=(depth,)).largest
            training.ask("train", architectures=[subnet.to_dict()])
        for start in range(0, len(drawn), FLAGS.steps):
            turn = [s.to_dict() for s in drawn[start : start + FLAGS.steps]]
            seconds[0] += training.ask("train", architectures=turn)
            # The pipeline is far faster, so time more batches.
            seconds[1] += batches.ask("training", count=5 * FLAGS.steps)
            referee.end_round()
    trained = FLAGS.batch_size / statistics.median(seconds[0])
    made = 1 / statistics.median(seconds[1])
    verdict = "met" if made >= _AIM * trained else "missed"
    return [
        f"| training the tiny supernet, {precision} | {trained:,.0f} | |",
        f"| pipeline | {made:,.0f} | {made / trained:.1f}× "
        f"(aim ≥ {_AIM}×: {verdict}) |",
    ]


def _header(*names: str) -> list[str]:
    return [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]


def _command() -> str:
    """The command that was typed, without paths of this machine."""
    names = ("photographs", "batch_size", "rounds", "steps")
    words = [FLAGS[name].serialize() for name in names if FLAGS[name].present]
    return " ".join(["python -m benchmarks.input_pipeline", *words])


if __name__ == "__main__":
    binary.run(main, define)
