"""A generation of subnets, evaluated in one pass over the images."""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tf_autoformer.evaluation import accuracy, partial, racing, trie
from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture


@dataclasses.dataclass
class Tally:
    """Evaluations of half blocks, counted for each image.

    Attributes:
      alone: Number that the subnets take one by one.
      done: Number that was done.
    """

    alone: int = 0
    done: int = 0

    @property
    def saved(self) -> float:
        """The share of the evaluations that was saved, in [0, 1]."""
        return 1 - self.done / self.alone if self.alone else 0.0


def accuracies(
    evaluator: accuracy.Evaluator, architectures: Iterable[Architecture]
) -> dict[Architecture, float]:
    """The accuracy of each architecture, in [0, 1].

    Args:
      evaluator: Evaluator of the split.
      architectures: Architectures to evaluate.
    """
    found = answers(evaluator, list(dict.fromkeys(architectures)))
    return {each: float(np.mean(right)) for each, right in found.items()}


def answers(
    evaluator: accuracy.Evaluator,
    architectures: Sequence[Architecture],
    path: pathlib.Path | None = None,
    told: Callable[[float], None] = lambda share: None,
    tally: Tally | None = None,
    race: racing.Race | None = None,
) -> dict[Architecture, np.ndarray]:
    """Tells which images each subnet labels correctly.

    Each batch is read once, and what subnets share is computed once for it. See
    `trie.walk`.

    Args:
      evaluator: Evaluator of the split.
      architectures: Architectures to evaluate, all different.
      path: File for the answers so far of a long pass, which continues from it.
        It is left for the caller to remove. None: nothing is kept.
      told: Function that is told the share of the work that is done.
      tally: Tally to add the evaluations to.
      race: Race that stops subnets. None: all run to the end.

    Returns:
      Vector of each architecture, bool [images]. That of a stopped subnet ends
      with the last image that it has seen.

    Raises:
      InputError: The file cannot be written.
    """
    if not architectures:
        return {}  # The file may be of a later generation.
    tally = tally or Tally()
    total = evaluator.num_examples
    kept = partial.Partial(path, architectures, (total, evaluator.batch_size))
    known, right = kept.load()
    alone = sum(2 * each.depth for each in architectures)
    seen, running = 0, list(range(len(architectures)))
    try:
        for batch in evaluator.batches():
            start, seen = seen, min(seen + evaluator.batch_size, total)
            if start < known:
                continue
            if start:
                running = [
                    each for each in running if len(right[each]) == start
                ]
            if start and race is not None:
                stays = race.running([right[each] for each in running])
                running = list(itertools.compress(running, stays))
                if not running:
                    break
            rows = seen - start
            steps = trie.walk([architectures[each] for each in running])
            found = evaluator.right(
                batch,
                steps,
                lambda share, start=start, rows=rows: told(
                    (start + share * rows) / total
                ),
            )
            for number, each in enumerate(running):
                answers = found[number][:rows]
                right[each] = np.concatenate([right[each], answers])
            tally.alone += rows * alone
            tally.done += rows * sum(
                step.part.number >= trie.HALVES for step in steps
            )
            kept.save(seen, right)
            known = seen
    finally:  # After Ctrl-C too.
        kept.save(known, right, now=True)
    return dict(zip(architectures, right, strict=True))
