r"""Searches a trained supernet by evolution and exports the subnet found.

  python -m tf_autoformer.search --flagfile=flags/digits/search.flags \
      --workdir=DIR --max_params=100e3

The same command run again continues where it stopped.
"""

import dataclasses
import pathlib
from collections.abc import Mapping

from tf_autoformer import binary, files, flag_fields, shared_options
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
    """

    ranges: Mapping[str, constraint.Range] = flag_fields.ranges(
        (*cost.COSTS, bound.COST)
    )
    latency: pathlib.Path | None = None
    evolution: algorithm.EvolutionConfig


def main(options: Options) -> None:
    """Searches, draws and exports."""
    workdir = workdir_lib.Workdir(options.workdir)
    measured = bound.read(
        options.latency,
        workdir.experiment.model,
        workdir.experiment.space,
        options.ranges,
    )
    # Late, so that flags are read and explained without TensorFlow.
    import tensorflow as tf

    from tf_autoformer.analysis import search_board
    from tf_autoformer.evolution import selection, session
    from tf_autoformer.latency import winner as winner_lib
    from tf_autoformer.serving import savedmodel
    from tf_autoformer.supernet import compilation, parallel

    compilation.use(options.compile, options.compile_cache, options.tf32)
    parallel.use_cores()
    folder = workdir.export(options.version)
    best = session.load_best(workdir.search(options.name))
    savedmodel.require_free(folder, best)
    costs: tuple[cost.Cost, ...] = ()
    choose = selection.first
    if measured is not None:
        costs = (bound.predicted(measured),)
        allowed = options.ranges.get(bound.COST.name, constraint.Range())
        winner = winner_lib.Winner(
            workdir, options.name, measured.setting, allowed
        )
        choose = winner.choose
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
    )
    board = search_board.SearchBoard(
        search.folder, search.experiment.model, costs
    )
    for ranking in search.run():
        board.show(ranking)
    if measured is not None:
        winner.confirm(ranking)
        search.settle(ranking)
    savedmodel.require_free(folder, search.best)
    if files.is_new(folder):
        savedmodel.export(search.supernet, search.best, search.source, folder)


if __name__ == "__main__":
    binary.run(main, Options)
