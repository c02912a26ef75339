"""What a file of measured latencies holds, and how well it can be predicted."""

import importlib.util
from collections.abc import Iterator

from tf_autoformer import files
from tf_autoformer.latency import bound
from tf_autoformer.latency import measurements as measurements_lib


def lines(measurements: measurements_lib.Measurements) -> Iterator[str]:
    """A summary for a person to read, and a picture beside the file.

    The picture shows predicted against measured latencies. Where there is no
    scikit-learn, nothing is predicted.
    """
    latencies = measurements.latencies
    fastest, slowest = (
        bound.COST.text(end(latencies.values())) for end in (min, max)
    )
    yield f"{measurements.path}: {measurements.setting}"
    yield f"{len(latencies)} architectures, {fastest} to {slowest}"
    yield f"spread of a visit's runs (IQR / median): {measurements.spread:.1%}"
    if (noise := measurements.noise) is not None:
        yield f"noise (one half of the visits against the other): {noise:.1%}"
    if len(latencies) < measurements_lib.LEAST:
        yield f"a predictor needs {measurements_lib.LEAST} architectures"
        return
    if importlib.util.find_spec("sklearn") is None:
        yield "no scikit-learn here; a search elsewhere fits the predictor"
        return
    from tf_autoformer.latency import predictor  # Late: it imports NumPy.

    found = predictor.Predictor(measurements).validation
    yield "error on held-out architectures, MAPE by cross-validation:"
    for kind, error in found.errors.items():
        kept = f"  kept, R² {found.r2:.3f}" if kind == found.kind else ""
        yield f"  {kind:18}{error:>6.1%}{kept}"
    if importlib.util.find_spec("matplotlib") is not None:
        from tf_autoformer.analysis import latency_picture, pictures

        path = measurements.path.with_suffix(".png")
        drawing = latency_picture.predictions(
            list(latencies.values()), found.held_out, found.kind
        )
        files.write_bytes(path, pictures.png(drawing))
        yield f"picture: {path}"
