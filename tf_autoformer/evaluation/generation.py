"""Accuracies of a whole generation of subnets."""

from collections.abc import Iterable, Iterator

from tf_autoformer.evaluation import accuracy
from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture


def accuracies(
    evaluator: accuracy.Evaluator, architectures: Iterable[Architecture]
) -> Iterator[tuple[Architecture, float]]:
    """Evaluates many subnets.

    Args:
      evaluator: Evaluator of the split.
      architectures: Architectures to evaluate, all different.

    Yields:
      Each architecture with its accuracy in [0, 1], as soon as it is known.
      The caller can write it down before the next one is evaluated.
    """
    for architecture in architectures:
        yield architecture, evaluator.accuracy(architecture)
