r"""Searches a trained supernet by evolution and exports the subnet found.

  python -m tf_autoformer.search --flagfile=flags/digits/search.flags \
      --workdir=DIR --max_params=100e3

The same command run again continues where it stopped.
"""

import tensorflow as tf

from tf_autoformer import binary, command_line, config, files
from tf_autoformer.analysis import search_board
from tf_autoformer.evolution import session
from tf_autoformer.serving import savedmodel
from tf_autoformer.supernet import parallel


def main() -> None:
    """Searches, draws and exports."""
    parallel.use_cores()
    workdir, name, folder = (
        config.workdir(),
        config.name(),
        config.export_folder(),
    )
    best = session.load_best(workdir.search(name))
    savedmodel.require_free(folder, best)
    search = session.Search(
        workdir,
        name,
        config.evolution(),
        config.ranges(),
        config.data_dir(),
        tf.distribute.MirroredStrategy(),
    )
    board = search_board.SearchBoard(search.folder, search.experiment.model)
    for ranking in search.run():
        board.show(ranking)
    savedmodel.require_free(folder, search.best)
    if files.is_new(folder):
        savedmodel.export(
            search.supernet,
            search.best,
            search.experiment.dataset,
            folder,
            data_dir=config.data_dir(),
        )


if __name__ == "__main__":
    binary.run(main, command_line.define_search)
