"""The figures of the comparison of drivers, counted by hand."""

import random
from unittest import mock

from absl.testing import absltest

from benchmarks import drivers
from tests.helpers import processes, tiny
from tf_autoformer.evaluation import generation
from tf_autoformer.evolution import algorithm, selection
from tf_autoformer.space import sampling
from tf_autoformer.supernet import parallel

A, B, C = (1, 0.5), (2, 0.5), (3, 2.0)


def candidate(generation, embed_dim, blocks, accuracy) -> selection.Candidate:
    subnet = sampling.from_blocks(embed_dim, blocks)
    return selection.Candidate(generation, subnet, accuracy, {"params": 1})


RUN = drivers.Run(
    [
        candidate(0, 8, [A, B, C], 0.5),
        candidate(0, 8, [A, B, B], 0.25),  # It shares two blocks.
        candidate(0, 12, [A, B, C], 0.75),  # Another embedding dimension.
        candidate(1, 8, [A], 1.0),  # Another generation.
        candidate(1, 8, [B, A], 0.0),  # Its second block comes after another.
    ],
    seconds=0.0,
)


class RunTest(absltest.TestCase):
    def test_blocks_after_equal_blocks_are_shared(self):
        self.assertAlmostEqual(RUN.shared, 2 / 12)

    def test_evaluations_are_counted_up_to_an_accuracy(self):
        counts = [RUN.evaluations(each) for each in (0.1, 0.6, 0.75, 1.0, 1.1)]
        self.assertEqual(counts, [1, 3, 3, 4, None])
        self.assertEqual(RUN.best, 1.0)
        self.assertEqual(RUN.mean_of_best, 0.5)

    def test_late_mutations_change_late_blocks_more_often(self):
        rng = random.Random(0)
        parent = sampling.from_blocks(8, [A, A, A])
        changed = [0, 0, 0]
        for _ in range(2000):
            mutant = drivers._mutate_late(tiny.SPACE, parent, 0.0, 0.4, rng)
            for i, block in enumerate(sampling.blocks_of(mutant)):
                changed[i] += block != A
        # 0.2, 0.4 and 0.6, but for one draw in nine that changes nothing.
        for count, expected in zip(changed, (0.2, 0.4, 0.6), strict=True):
            self.assertAlmostEqual(count / 2000, expected * 8 / 9, delta=0.03)


class EvaluationTest(tiny.WorkdirTest):
    def test_accuracies_are_computed_once_and_kept(self):
        options = drivers.Options(
            workdir=self.workdir.root,
            data_dir=self.data_dir,
            memory=self.workdir.root / "accuracies.jsonl",
            evolution=algorithm.EvolutionConfig(),
        )
        members = {
            tiny.SPACE.smallest: "random",
            tiny.SPACE.largest: "mutation",
        }
        with mock.patch.object(parallel, "use_cores"):
            evaluation = drivers._Evaluation(options)
            with mock.patch.object(
                generation, "accuracies", wraps=generation.accuracies
            ) as computed:
                first = evaluation(0, {tiny.SPACE.smallest: "random"})
                found = evaluation(3, members)
                again = drivers._Evaluation(options)(3, members)
        asked = [list(call.args[1]) for call in computed.call_args_list]
        self.assertEqual(asked, [[subnet] for subnet in members] + [[]])
        self.assertEqual(again, found)
        self.assertEqual(first[0].accuracy, found[0].accuracy)
        for candidate, origin in zip(found, members.values(), strict=True):
            self.assertEqual(
                (candidate.generation, candidate.origin), (3, origin)
            )
            self.assertIsInstance(candidate.accuracy, float)


class FlagsTest(processes.MistakeTest):
    def test_one_seed_has_no_spread(self):
        result = processes.run(
            "drivers",
            "--seeds=1",
            "--workdir=x",
            f"--memory={self.new}",
            package="benchmarks",
        )
        self.check_mistake(result, "seeds is 1; it must be at least 2")


if __name__ == "__main__":
    absltest.main()
