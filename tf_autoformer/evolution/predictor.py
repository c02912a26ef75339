"""The predictor driver: evolution on predicted accuracies."""

import dataclasses
import random
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from tf_autoformer.evolution import algorithm, encoding, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import search_space

Architecture = architecture_lib.Architecture
Predict = Callable[[Collection[Architecture]], dict[Architecture, float]]

# Evolution on the predictor: generations, parents, and offspring by each
# operator, and draws for each of these. With fewer parents or more draws, most
# of the time would go into children that are known.
_GENERATIONS = 10
_PARENTS = 50
_OFFSPRING = 50
_TRIES = 10
# One member of a generation out of this number is random.
_RANDOM = 8


def search(
    config: algorithm.EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: algorithm.Evaluate,
) -> Iterator[list[selection.Candidate]]:
    """Proposes what a predictor of the accuracy finds the best.

    Each generation, the predictor is fitted to all candidates so far. Evolution
    then starts from the best of them and goes through many more architectures
    than are evaluated, with predicted accuracies. The best new ones are the
    members, beside a few random ones.

    See `algorithm.run` for arguments, results and errors.
    """
    inner = dataclasses.replace(
        config,
        parents=_PARENTS,
        crossovers=_OFFSPRING,
        mutations=_OFFSPRING,
    )

    def propose(
        ranking: Sequence[selection.Candidate], count: int, rng: random.Random
    ) -> dict[Architecture, str]:
        predict = fitted(constraint.space, ranking)
        known = {candidate.architecture: None for candidate in ranking}
        predicted = predict(known)
        for _ in range(_GENERATIONS):
            parents = _best_first(predicted)[:_PARENTS]
            children = algorithm.offspring(
                inner, constraint, parents, predicted, rng, _TRIES
            )
            if not children:
                break
            predicted |= predict(children)
        new = [each for each in _best_first(predicted) if each not in known]
        return dict.fromkeys(new[: count - count // _RANDOM], "predicted")

    return algorithm.run(config, constraint, evaluate, propose)


def _best_first(predicted: dict[Architecture, float]) -> list[Architecture]:
    """Architectures by their predicted accuracy, equals in their order."""
    return sorted(predicted, key=predicted.__getitem__, reverse=True)


def fitted(
    space: search_space.SearchSpace, candidates: Sequence[selection.Candidate]
) -> Predict:
    """Fits a predictor of the accuracy: gradient-boosted regression trees.

    Args:
      space: Space of the candidates.
      candidates: Candidates to fit to, at least one.

    Returns:
      Function from architectures to their predicted accuracies.
    """
    from sklearn import ensemble  # Late, as only this driver needs it.

    model = ensemble.GradientBoostingRegressor(random_state=0)
    model.fit(
        encoding.one_hot(space, [c.architecture for c in candidates]),
        np.array([candidate.accuracy for candidate in candidates]),
    )

    def predict(
        architectures: Collection[Architecture],
    ) -> dict[Architecture, float]:
        accuracies = model.predict(encoding.one_hot(space, list(architectures)))
        return dict(zip(architectures, accuracies.tolist(), strict=True))

    return predict
