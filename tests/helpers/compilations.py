"""Counts XLA's compilations: ahead, of all sizes, of 500 architectures after.

  python -m tests.helpers.compilations FOLDER

FOLDER is where XLA_FLAGS has XLA write each program. Prints JSON: the number of
programs that updates need and of all others ("gradients"), after those that are
compiled ahead, after all sizes and in the end. Then the numbers of traces, of
different architectures, and of weights that compiling ahead changed.
"""

import collections
import dataclasses
import json
import pathlib
import sys

import numpy as np

from tests.helpers import tiny, trainings
from tf_autoformer.supernet import parts

SPACE = dataclasses.replace(
    tiny.SPACE, embed_dims=(8, 20), num_heads=(1, 3), mlp_ratios=(0.5, 1.0)
)


def main() -> None:
    """Counts."""
    folder = pathlib.Path(sys.argv[1])
    counts = collections.defaultdict(list)

    def count() -> None:
        names = [path.name for path in folder.glob("*before_optimizations.txt")]
        updates = sum("_update_" in name for name in names)
        counts["updates"].append(updates)
        counts["gradients"].append(len(names) - updates)

    training = trainings.Training(space=SPACE, compiled=True)
    images = trainings.data(1)
    before = training.values()
    subnets = parts.samples(SPACE)
    for _ in training.step.compile_ahead(*images, subnets):
        pass
    count()
    changed = sum(map(np.any, map(np.not_equal, before, training.values())))
    for subnet in subnets:
        for depth in SPACE.depths:
            path = dataclasses.replace(
                SPACE,
                embed_dims=(subnet.embed_dim,),
                depths=(depth,),
                num_heads=subnet.num_heads,
                mlp_ratios=subnet.mlp_ratio,
            ).largest
            training.run([(path,)])
    count()
    paths = trainings.draw(500, space=SPACE)
    for path in paths:
        training.step(*images, path, 0)
    count()
    result = {
        **counts,
        "traces": training.step.traces,
        "distinct": len(set(paths)),
        "changed": int(changed),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
