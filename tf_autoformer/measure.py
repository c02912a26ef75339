r"""Measures the latency of subnets as they are deployed.

  python -m tf_autoformer.measure --workdir=DIR --samples=100 \
      --models=MODELS --output=latency.jsonl

converts subnets with random weights for ONNX Runtime and measures them. Without
--output it only converts. The folder of the models can then be copied to
another machine, which needs this package, NumPy, absl-py and the runtime:

  python -m tf_autoformer.measure --models=MODELS --output=latency.jsonl

The same command run again continues where it stopped. A search takes the file
with --latency, to bound the latency that it predicts.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, Literal

from tf_autoformer import binary, errors, flag_fields, rules
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.latency import models as models_lib
from tf_autoformer.latency import network as network_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space as search_space_lib

_DEFAULT = model_lib.ModelConfig(num_classes=1000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of `measure`.

    Attributes:
      models: Folder of the converted subnets, which is made if need be.
      output: JSON-lines file of the measurements. Default: nothing is measured.
      workdir: Folder of a supernet. It has the network and the search space
        of flags that are not given.
      search_space: Search space of the subnets. Default: that of --workdir.
      model: Given fields of the network, without those that change no latency.
      architectures: JSON file of subnets to convert and measure: one or a list.
      samples: Number of subnets to draw, convert and measure. Without it and
        --architectures, all subnets in --models are measured.
      seed: Seed of the draws.
      runtime: Runtime that the subnets are deployed in.
      batch_size: Number of images of a batch. Default: that of --models, or 1.
      threads: Number of threads that compute.
      clock: Time that is measured. "wall": time that passes. "cpu": time that
        the processor works. On one thread it leaves out what other programs
        take.
      rounds: Number of visits to each subnet. A round visits every subnet.
      warm_up: Number of runs at the beginning of a visit that do not count.
      runs: Number of runs of a visit that count.
    """

    models: pathlib.Path
    output: pathlib.Path | None = None
    workdir: pathlib.Path | None = None
    search_space: search_space_lib.SearchSpace | None = None
    model: Mapping[str, Any] = flag_fields.given(
        _DEFAULT, without=("qkv_bias_layout", "drop_path", "init_stddev")
    )
    architectures: pathlib.Path | None = None
    samples: int = rules.field(0, rules.NOT_NEGATIVE)
    seed: int = 0
    runtime: models_lib.Runtime = "onnx"
    batch_size: int | None = rules.field(None, rules.at_least(1))
    threads: int = rules.field(1, rules.at_least(1))
    clock: Literal["wall", "cpu"] = "wall"
    rounds: int = rules.field(5, rules.at_least(1))
    warm_up: int = rules.field(3, rules.NOT_NEGATIVE)
    runs: int = rules.field(20, rules.at_least(1))

    def __post_init__(self) -> None:
        rules.check(self)


def main(options: Options) -> None:
    """Converts and measures."""
    folder = models_lib.ModelFolder(options.models)
    if options.output is not None:
        from tf_autoformer.latency import runtimes  # Late: it imports NumPy.

        runtimes.require(options.runtime)
    chosen = None
    if options.architectures is not None or options.samples:
        chosen = _convert(options, folder)
    elif options.output is None:
        raise errors.InputError(
            "neither --samples or --architectures nor --output is given; there "
            "is nothing to convert or to measure"
        )
    if options.output is not None:
        _measure(options, folder, chosen)


def _convert(
    options: Options, folder: models_lib.ModelFolder
) -> list[models_lib.Architecture]:
    """Converts the subnets of the flags, and returns them."""
    from tf_autoformer.latency import sample

    network = _network(options)
    chosen = sample.draw(network.space, options.samples, options.seed)
    if options.architectures is not None:
        for each in architecture_lib.load_all(options.architectures):
            network.space.validate(each)
            chosen.append(each)
    chosen = list(dict.fromkeys(chosen))
    # Late, so that flags are read and explained without TensorFlow.
    import tensorflow as tf

    from tf_autoformer.latency import conversion, runtimes

    runtimes.use_threads(tf, options.threads)
    size = options.batch_size
    if size is None and folder.network_file.exists():
        _, size = folder.read_network()
    size = size or 1
    conversion.prepare(folder, chosen, network, size, options.runtime)
    return chosen


def _measure(
    options: Options,
    folder: models_lib.ModelFolder,
    chosen: list[models_lib.Architecture] | None,
) -> None:
    from tf_autoformer.latency import (
        measurements,
        measuring,
        runtimes,
        summary,
    )

    network, size = folder.read_network()
    if options.batch_size not in (None, size):
        folder.claim(network, options.batch_size)
    found = measurements.Measurements(options.output)
    found.claim(
        measurements.Setting(
            network=network,
            runtime=options.runtime,
            version=runtimes.version(options.runtime),
            machine=runtimes.machine(),
            batch_size=size,
            threads=options.threads,
            clock=options.clock,
        )
    )
    measuring.measure(
        folder,
        folder.models(options.runtime) if chosen is None else chosen,
        found,
        options.rounds,
        options.warm_up,
        options.runs,
    )
    for line in summary.lines(found):
        print(line, flush=True)


def _network(options: Options) -> network_lib.Network:
    model, space = _DEFAULT, None
    if options.workdir is not None:
        found = workdir_lib.Workdir(options.workdir).experiment
        model, space = found.model, found.space
    space = options.search_space or space
    if space is None:
        raise errors.InputError(
            "samples or architectures are given; --workdir or --search_space "
            "must be given too"
        )
    return network_lib.of(dataclasses.replace(model, **options.model), space)


if __name__ == "__main__":
    binary.run(main, Options)
