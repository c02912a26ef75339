"""Predicts the latency of an architecture from measured ones, as HAT does.

HAT (Wang et al., 2020) fits a small MLP to the latencies of some architectures
on the target. Here two other regressions compete with it, and the one that
predicts best what it has not seen is kept.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_autoformer import errors, files, progress
from tf_autoformer.latency import measurements as measurements_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import parsing, search_space

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture
Measurements = measurements_lib.Measurements

_FOLDS = 5
# Significant digits of a prediction. The last bits of a sum differ from one
# machine to another, and a continued search must meet the same numbers.
_DIGITS = 4


@dataclasses.dataclass(frozen=True)
class Validation:
    """What cross-validation found: each architecture was once held out.

    Attributes:
      kind: Name of the regression that is kept.
      errors: Name of each regression -> mean absolute percentage error.
      r2: Coefficient of determination of the one that is kept.
      held_out: Its prediction for each architecture in milliseconds, made
        without this one, in the order of `Measurements.latencies`.
    """

    kind: str
    errors: Mapping[str, float]
    r2: float
    held_out: tuple[float, ...]


class Predictor:
    """Predicts latencies. It is the `measure` of a `cost.Cost`.

    Args:
      measurements: Measured latencies, at least `measurements.LEAST`.

    Attributes:
      validation: Errors of the predictions.

    Raises:
      InputError: There are too few measured architectures.
    """

    def __init__(self, measurements: Measurements):
        latencies = measurements.latencies
        if len(latencies) < measurements_lib.LEAST:
            raise errors.InputError(
                f"{measurements.path} has {len(latencies)} architectures; a "
                f"predictor needs at least {measurements_lib.LEAST}"
            )
        self._space = measurements.setting.network.space
        inputs, targets = _data(measurements)
        self.validation = _validated(measurements, inputs, targets)
        self._regression = _Fitted(self.validation.kind, inputs, targets)
        # Only a prediction far beyond all that was measured could be negative.
        self._floor = targets.min() / 10
        self._known: dict[Architecture, float] = {}

    def __call__(
        self, model: model_lib.ModelConfig, architecture: Architecture
    ) -> float:
        """The latency of an architecture of the measured network, in ms."""
        if architecture not in self._known:
            row = np.array([_features(self._space, architecture)], np.float32)
            (predicted,) = self._regression.predict(row)
            value = max(float(predicted), self._floor)
            self._known[architecture] = float(f"{value:.{_DIGITS}g}")
        return self._known[architecture]


def _features(
    space: search_space.SearchSpace, architecture: Architecture
) -> list[float]:
    """The numbers that describe an architecture to a regression.

    The choices of each block, padded with 0, and the sums that parameters and
    MACs are made of.
    """
    depth, embed_dim = architecture.depth, architecture.embed_dim
    heads = sum(architecture.num_heads)
    hidden = sum(
        architecture_lib.hidden_dim(embed_dim, ratio)
        for ratio in architecture.mlp_ratio
    )
    padding = [0.0] * (space.depths[-1] - depth)
    return [
        *(embed_dim, depth, heads, hidden),
        *(embed_dim * depth, embed_dim * heads, embed_dim * hidden),
        *(*architecture.num_heads, *padding),
        *(*architecture.mlp_ratio, *padding),
    ]


_SUMS = 7  # Of the features, those that are not of one block.


def _data(measurements: Measurements) -> tuple[np.ndarray, np.ndarray]:
    """Features [architectures, features], latencies [architectures]."""
    space = measurements.setting.network.space
    latencies = measurements.latencies
    return (
        np.array([_features(space, each) for each in latencies], np.float32),
        np.array(list(latencies.values()), np.float32),
    )


def _mlp() -> Any:
    from sklearn import neural_network

    return neural_network.MLPRegressor(
        hidden_layer_sizes=(400, 400, 400),
        alpha=1.0,
        learning_rate_init=3e-3,
        max_iter=100,
        random_state=0,
    )


def _boosting() -> Any:
    from sklearn import ensemble

    return ensemble.GradientBoostingRegressor(subsample=0.8, random_state=0)


def _linear() -> Any:
    from sklearn import linear_model

    return linear_model.RidgeCV(np.logspace(-4, 2, 13))


_REGRESSIONS: Mapping[str, Callable[[], Any]] = {
    "MLP": _mlp,
    "gradient boosting": _boosting,
    "linear regression": _linear,
}


class _Fitted:
    """A regression of standardized inputs and targets.

    Args:
      kind: Name of the regression.
      inputs: Features, float [architectures, features].
      targets: Latencies, float [architectures].
    """

    def __init__(self, kind: str, inputs: np.ndarray, targets: np.ndarray):
        import threadpoolctl
        from sklearn import exceptions

        # To a linear regression, the order of the blocks is only noise.
        self._used = _SUMS if kind == "linear regression" else None
        inputs = inputs[:, : self._used]
        self._offset, self._scale = inputs.mean(0), inputs.std(0)
        self._scale[self._scale == 0] = 1
        self._mean, self._deviation = targets.mean(), targets.std() or 1.0
        self._regression = _REGRESSIONS[kind]()
        with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):
            # The MLP has a fixed number of steps, and validation judges it.
            warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
            self._regression.fit(
                self._standardized(inputs),
                (targets - self._mean) / self._deviation,
            )

    def _standardized(self, inputs: np.ndarray) -> np.ndarray:
        return (inputs[:, : self._used] - self._offset) / self._scale

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Latencies [architectures] of features [architectures, features]."""
        found = self._regression.predict(self._standardized(inputs))
        return self._mean + self._deviation * found


def _validated(
    measurements: Measurements, inputs: np.ndarray, targets: np.ndarray
) -> Validation:
    """The validation, which is kept in a file beside the measurements."""
    path = measurements.path.with_suffix(".fit.json")
    digest = _digest(inputs, targets)
    # There is none, or it is damaged.
    with contextlib.suppress(errors.InputError, TypeError):
        values = dict(parsing.mapping("it", files.read_json(path)))
        if values.pop("measured", None) == digest:
            return Validation(**values)
    found = _validate(inputs, targets)
    with contextlib.suppress(errors.InputError):  # It may be read-only there.
        values = {"measured": digest} | dataclasses.asdict(found)
        files.write_json(path, values)
    return found


def _digest(inputs: np.ndarray, targets: np.ndarray) -> str:
    text = json.dumps([inputs.tolist(), targets.tolist()])
    return hashlib.sha256(text.encode()).hexdigest()


def _validate(inputs: np.ndarray, targets: np.ndarray) -> Validation:
    """Lets the regressions compete in cross-validation."""
    order = np.random.default_rng(0).permutation(len(targets))
    predictions = {}
    with progress.Meter(
        0, len(_REGRESSIONS) * _FOLDS, "fits", "predictor"
    ) as meter:
        for kind in _REGRESSIONS:
            predictions[kind] = predicted = np.empty_like(targets)
            for fold in range(_FOLDS):
                held_out = order[fold::_FOLDS]
                rest = np.setdiff1d(order, held_out)
                fitted = _Fitted(kind, inputs[rest], targets[rest])
                predicted[held_out] = fitted.predict(inputs[held_out])
                done = len(predictions) * _FOLDS - _FOLDS + fold + 1
                meter.advance(done)
                if meter.due:
                    _LOGGER.info("predictor: %s", meter.line(done))
    mape = {
        kind: float(np.mean(np.abs(predicted / targets - 1)))
        for kind, predicted in predictions.items()
    }
    kind = min(mape, key=mape.get)
    residuals = targets - predictions[kind]
    return Validation(
        kind,
        mape,
        1 - float(np.var(residuals) / np.var(targets)),
        tuple(predictions[kind].tolist()),
    )
