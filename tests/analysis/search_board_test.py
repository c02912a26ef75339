"""What a search shows after a generation, also of a cost of run time."""

import pathlib

import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import commands, tiny
from tf_autoformer.analysis import search_board
from tf_autoformer.evolution import front, selection
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost
from tf_autoformer.space import model as model_lib

MODEL = model_lib.ModelConfig(num_classes=10)
LATENCY = cost.Cost("latency", "ms", lambda *_: 3.7, "milliseconds")
RANKING = [
    selection.Candidate(
        generation,
        architecture_lib.Architecture(8, 1, (1,), (ratio,)),
        accuracy,
        {"params": params, "macs": 9 * params, "latency": latency},
    )
    for generation, ratio, accuracy, params, latency in (
        (0, 1.0, 0.75, 9_000, 3.75),
        (1, 2.0, 0.5, 8_000, 2.5),
        (1, 3.0, 0.25, 7_000, 1.25),
    )
]


class SearchBoardTest(parameterized.TestCase):
    @parameterized.parameters(
        (
            (),
            {"candidates", "progress", "architecture"},
            {"best_params": 9_000},
        ),
        (
            (LATENCY,),
            {"candidates", "candidates_latency", "progress", "architecture"},
            {"best_params": 9_000, "best_latency": 3.75},
        ),
    )
    def test_pictures_and_scalars_are_those_of_the_costs(
        self, further, pictures, scalars
    ):
        root = pathlib.Path(self.create_tempdir().full_path)
        folder = workdir_lib.Workdir(root).search("default")
        board = search_board.SearchBoard(folder, MODEL, further)
        board.show(RANKING)

        self.assertEqual({path.stem for path in folder.pictures()}, pictures)
        events = commands.events(folder.log)
        scalars = {"best_accuracy": 0.75, "mean_accuracy": 0.375} | scalars
        self.assertEqual(
            set(events), pictures | {f"search/{name}" for name in scalars}
        )
        for name, value in scalars.items():
            (event,) = events[f"search/{name}"]
            self.assertEqual(event.step, 1)
            self.assertEqual(tf.make_ndarray(event.tensor_proto), value)

    def test_a_front_has_a_picture_for_each_cost_and_a_volume(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        folder = workdir_lib.Workdir(root).search("default")
        limit = constraint.Constraint(
            tiny.SPACE, MODEL, {cost.PARAMS: constraint.Range(maximum=10_000)}
        )
        found = front.Front(
            ("accuracy", "latency", "params"), limit, (cost.PARAMS, LATENCY)
        )
        board = search_board.SearchBoard(folder, MODEL, front=found)
        board.show(RANKING)

        events = commands.events(folder.log)
        for name in ("candidates", "candidates_latency"):
            self.assertTrue(folder.picture(name).is_file())
            self.assertLen(events[name], 1)
        (event,) = events["search/hypervolume"]
        # Shares of 100%, 3.7 ms and 10,000 parameters; the first is too slow.
        self.assertAlmostEqual(
            tf.make_ndarray(event.tensor_proto),
            0.5 * (1 - 2.5 / 3.7) * 0.2
            + 0.25 * ((1 - 1.25 / 3.7) * 0.3 - (1 - 2.5 / 3.7) * 0.2),
            places=6,
        )

    def test_a_continued_search_shows_its_last_generation_once(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        folder = workdir_lib.Workdir(root).search("default")
        for rankings in [(RANKING[:1], RANKING), (RANKING,)]:
            board = search_board.SearchBoard(folder, MODEL)
            for ranking in rankings:
                board.show(ranking)

        for tag, events in commands.events(folder.log).items():
            self.assertEqual([event.step for event in events], [0, 1], tag)

    def test_the_best_is_the_one_that_is_chosen(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        folder = workdir_lib.Workdir(root).search("default")
        chosen = list(RANKING)
        board = search_board.SearchBoard(
            folder, MODEL, choose=lambda ranking: chosen.pop()
        )
        board.show(RANKING)
        board.show(RANKING)  # Now another one, as it was measured.
        (event,) = commands.events(folder.log)["search/best_params"]
        self.assertEqual(
            tf.make_ndarray(event.tensor_proto), RANKING[-2].costs["params"]
        )


if __name__ == "__main__":
    absltest.main()
