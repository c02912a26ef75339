"""Counts XLA's compilations: of all sizes, and of 500 architectures after.

  python -m tests.helpers.compilations FOLDER

FOLDER is where XLA_FLAGS has XLA write each program. Prints the number of
programs after all sizes and in the end, the number of traces, and that of
different architectures.
"""

import dataclasses
import pathlib
import sys

from tests.helpers import tiny, trainings

SPACE = dataclasses.replace(
    tiny.SPACE, embed_dims=(8, 20), num_heads=(1, 3), mlp_ratios=(0.5, 1.0)
)


def main() -> None:
    """Counts."""
    folder = pathlib.Path(sys.argv[1])

    def programs() -> int:
        return len(list(folder.glob("*before_optimizations.txt")))

    training = trainings.Training(space=SPACE, compiled=True)
    for embed_dim in SPACE.embed_dims:
        for depth in SPACE.depths:
            for index in range(2):
                path = dataclasses.replace(
                    SPACE,
                    embed_dims=(embed_dim,),
                    depths=(depth,),
                    num_heads=(SPACE.num_heads[index],),
                    mlp_ratios=(SPACE.mlp_ratios[index],),
                ).largest
                training.run([(path,)])
    first = programs()
    paths = trainings.draw(500, space=SPACE)
    images = trainings.data(1)
    for path in paths:
        training.step(*images, path, 0)
    traces = training.step.traces
    print(first, programs(), traces, len(set(paths)))


if __name__ == "__main__":
    main()
