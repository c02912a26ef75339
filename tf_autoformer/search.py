r"""Searches a trained supernet and exports the subnet found, or several.

  python -m tf_autoformer.search --flagfile=flags/digits/search.flags \
      --workdir=DIR --max_params=100e3

The same command run again continues where it stopped.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Mapping
from typing import Literal

from tf_autoformer import (
    binary,
    errors,
    files,
    flag_fields,
    rules,
    shared_options,
)
from tf_autoformer.evolution import algorithm
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.latency import bound
from tf_autoformer.space import constraint, cost


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(
    shared_options.Folders,
    shared_options.Moved,
    shared_options.Search,
    shared_options.Compilation,
):
    """Flags of `search`.

    Attributes:
      ranges: Mapping of the name of each bounded cost to its range.
      latency: File of latencies that `measure` made. It is needed to bound
        latency.
      evolution: Parameters of Algorithm 2.
      exports: Number of subnets to export with --driver=nsga2: the most
        accurate one as --version, others along the front as the versions that
        follow.
      workers: Processes that evaluate the candidates. "local": this one. "ray":
        actors on the Ray cluster of RAY_ADDRESS or of this machine.
      ray_actors: Number of Ray actors. Default: one for each GPU of the
        cluster, or one for each machine if there are no GPUs.
    """

    ranges: Mapping[str, constraint.Range] = flag_fields.ranges(
        (*cost.COSTS, bound.COST)
    )
    latency: pathlib.Path | None = None
    evolution: algorithm.EvolutionConfig
    exports: int = rules.field(1, rules.between(1, 100))
    workers: Literal["local", "ray"] = "local"
    ray_actors: int | None = rules.field(None, rules.between(1, 10_000))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exports > 1 and not self.evolution.objectives:
            raise errors.InputError(
                f"exports is {self.exports}; the driver "
                f"{self.evolution.driver} finds one subnet, only nsga2 finds "
                "more"
            )
        if self.workers == "ray" and self.evolution.racing:
            raise errors.InputError(
                "workers is ray; it must be local with racing, as candidates "
                "race against one another"
            )
        if self.workers != "ray" and self.ray_actors is not None:
            raise errors.InputError(
                f"ray_actors is {self.ray_actors}; it is of no use without "
                "--workers=ray"
            )


def main(options: Options) -> None:
    """Searches, draws and exports."""
    workdir = workdir_lib.Workdir(options.workdir)
    workdir.require_supernet()
    measured = bound.read(
        options.latency,
        workdir.experiment.model,
        workdir.experiment.space,
        {*options.ranges, *options.evolution.objectives},
    )
    # Late, so that flags are read and explained without TensorFlow.
    import tensorflow as tf

    from tf_autoformer.analysis import search_board
    from tf_autoformer.evaluation import workers
    from tf_autoformer.evolution import (
        candidates,
        search_config,
        selection,
        session,
    )
    from tf_autoformer.latency import winner as winner_lib
    from tf_autoformer.serving import model_card, savedmodel
    from tf_autoformer.supernet import compilation, parallel

    compiling = (options.compile, options.compile_cache, options.tf32)
    compilation.use(*compiling)
    parallel.use_cores()
    folders = [
        workdir.export(options.version + i) for i in range(options.exports)
    ]
    found = search_config.load_found(
        workdir.search(options.name), options.exports
    )
    for folder, subnet in itertools.zip_longest(folders, found):
        savedmodel.require_free(folder, subnet)
    costs: tuple[cost.Cost, ...] = ()
    choose = selection.first
    if measured is not None:
        costs = (bound.predicted(measured),)
        allowed = options.ranges.get(bound.COST.name, constraint.Range())
        winner = winner_lib.Winner(
            workdir, options.name, measured.setting, allowed
        )
        choose = winner.choose
    actors = None
    if options.workers == "ray":
        source = workers.Source(
            workdir.root.absolute(),
            options.data_dir,
            options.dataset_name,
            "validation",
            compiling,
        )
        actors = workers.Workers(source, options.ray_actors)
    search = session.Search(
        workdir,
        options.name,
        options.evolution,
        options.ranges,
        options.data_dir,
        tf.distribute.MirroredStrategy(),
        options.dataset_name,
        costs,
        choose,
        actors,
    )
    board = search_board.SearchBoard(
        search.folder, search.experiment.model, costs, search.front, choose
    )
    ranking: list[selection.Candidate] = []
    for ranking in search.run():
        board.show(ranking)
    if measured is not None and ranking:  # Else it was searched further before.
        winner.confirm(search.finalists(ranking))
        search.settle(ranking)
        board.show(ranking)
    found = search_config.load_found(search.folder, options.exports)
    exports = list(zip(folders, found, strict=False))  # The front may be small.
    for folder, subnet in exports:
        savedmodel.require_free(folder, subnet)
    known = candidates.CandidateFile(search.folder.candidates).known
    for folder, subnet in exports:
        if files.is_new(folder):
            savedmodel.export(
                search.supernet,
                subnet,
                search.source,
                folder,
                origin=model_card.Origin(
                    search.experiment.dataset, known[subnet].accuracy
                ),
            )


if __name__ == "__main__":
    binary.run(main, Options)
