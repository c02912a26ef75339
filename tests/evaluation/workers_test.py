"""Ray actors evaluate what one process would. Ray itself is a stand-in here."""

import functools
import random
import sys
import types
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.evaluation import generation, workers
from tf_autoformer.evolution import algorithm, session
from tf_autoformer.space import sampling

CONFIG = algorithm.EvolutionConfig(
    population=5, generations=2, parents=3, crossovers=2, mutations=2
)


class TaskError(Exception):
    """What Ray raises for an exception in an actor."""

    def __init__(self, cause: Exception):
        super().__init__("a long trace")
        self.cause = cause


class ActorError(Exception):
    """What Ray raises for an actor that has ended."""


class Ray(types.ModuleType):
    """The part of Ray that is used, in this process.

    Results come in another order than the tasks were given in.
    """

    def __init__(self, gpus: int = 0, machines: int = 1):
        super().__init__("ray")
        resources = {"CPU": 8.0} | ({"GPU": float(gpus)} if gpus else {})
        self.init = mock.Mock()
        self.cluster_resources = lambda: resources
        self.nodes = lambda: [{"Alive": True}] * machines + [{"Alive": False}]
        self.options = None
        self.actors = []
        self.chunks = []
        self.exceptions = types.SimpleNamespace(
            RayTaskError=TaskError, RayActorError=ActorError
        )
        self.util = types.SimpleNamespace(ActorPool=self._pool)

    def remote(self, **options):
        self.options = options
        return lambda kind: types.SimpleNamespace(
            remote=lambda *arguments: self._start(kind, arguments)
        )

    def _start(self, kind, arguments):
        try:
            actor = kind(*arguments)
        except errors.InputError:  # Ray does not tell the cause.
            actor = mock.Mock()
            actor.answers.side_effect = ActorError("it died in its creation")
        self.actors.append(actor)

        def answers(*task):
            try:
                return actor.answers(*task)
            except errors.InputError as error:
                raise TaskError(error) from error

        return types.SimpleNamespace(
            answers=types.SimpleNamespace(remote=answers)
        )

    def _pool(self, actors):
        def map_unordered(function, chunks):
            self.chunks += chunks
            for number, chunk in reversed(list(enumerate(chunks))):
                yield function(actors[number % len(actors)], chunk)

        return types.SimpleNamespace(map_unordered=map_unordered)


class WorkersTest(tiny.WorkdirTest):
    @classmethod
    def _workers(cls, ray: Ray, count: int | None = None) -> workers.Workers:
        source = workers.Source(
            cls.workdir.root, cls.data_dir, None, "validation", ("off",)
        )
        modules = {"ray": ray, "ray.util": ray.util}
        with mock.patch.dict(sys.modules, modules):
            return workers.Workers(source, count)

    def _search(self, name: str, **options) -> session.Search:
        return session.Search(
            self.workdir,
            name,
            CONFIG,
            {},
            self.data_dir,
            tf.distribute.get_strategy(),
            **options,
        )

    @classmethod
    @functools.cache
    def _loaded(cls) -> tuple[Ray, workers.Workers]:
        """An actor that has loaded the supernet, for several tests."""
        ray = Ray()
        result = cls._workers(ray)
        with (
            # Settings of a process that has not yet begun, as this one has.
            mock.patch.object(workers.compilation, "use") as use,
            mock.patch.object(workers.parallel, "use_cores") as use_cores,
        ):
            assert ray.actors[0]._loaded
        use.assert_called_once_with("off")
        use_cores.assert_called_once_with()
        return ray, result

    def test_a_search_has_the_files_of_one_without_actors(self):
        ray, actors = self._loaded()
        ray.chunks.clear()
        *_, found = self._search("actors", workers=actors).run()
        *_, expected = self._search("alone").run()
        self.assertEqual(found, expected)
        for file in ("candidates.jsonl", "best.json", "config.json"):
            self.assertEqual(
                *(
                    (self.workdir.search(name).root / file).read_bytes()
                    for name in ("actors", "alone")
                )
            )
        # Two of each generation.
        self.assertEqual([len(c) for c in ray.chunks], [2, 3, 2, 2])
        self.assertEqual(ray.options["max_task_retries"], -1)
        self.assertGreater(ray.options["max_restarts"], 1)

    def test_what_actors_have_done_is_counted(self):
        _, actors = self._loaded()
        rng = random.Random(0)
        members = {sampling.uniform(tiny.SPACE, rng) for _ in range(6)}
        tally, told = generation.Tally(), []
        step = self.workdir.trained(tf.distribute.get_strategy()).step
        found = actors.answers(list(members), step, told.append, tally)
        self.assertCountEqual(found, members)
        self.assertEqual(tally.alone, 288 * sum(2 * m.depth for m in members))
        self.assertEqual(told, [0.5, 1.0])
        for right in found.values():
            self.assertEqual((right.dtype, len(right)), (np.bool_, 288))

    def test_an_actor_with_other_weights_is_told(self):
        _, actors = self._loaded()
        with self.assertRaisesRegex(
            errors.InputError, "has the weights of step .* has those of step 7"
        ):
            actors.answers([tiny.SPACE.largest], 7, print, generation.Tally())

    def test_what_an_actor_cannot_load_is_told(self):
        with (
            mock.patch.object(workers.compilation, "use"),
            mock.patch.object(workers.parallel, "use_cores"),
            mock.patch.object(
                workers.workdir_lib.Workdir,
                "trained",
                side_effect=errors.InputError("no data here"),
            ),
        ):
            actors = self._workers(Ray())
            with self.assertRaisesRegex(errors.InputError, "^no data here$"):
                actors.answers(
                    [tiny.SPACE.largest], 0, print, generation.Tally()
                )

    @parameterized.parameters(
        (0, 3, None, 3), (4, 3, None, 4), (4, 3, 2, 2), (0, 3, 5, 5)
    )
    def test_the_number_of_actors(self, gpus, machines, count, expected):
        ray = Ray(gpus, machines)
        with mock.patch.object(workers, "_Actor", mock.Mock):
            self._workers(ray, count)
        self.assertLen(ray.actors, expected)
        self.assertEqual(ray.options["num_gpus"], 1 if gpus else 0)

    def test_more_actors_than_gpus_are_refused(self):
        with self.assertRaisesRegex(
            errors.InputError, "ray_actors is 5; the cluster has only 4 GPUs"
        ):
            self._workers(Ray(gpus=4), 5)

    def test_an_actor_that_ends_too_often_is_told(self):
        ray = Ray()
        with mock.patch.object(workers, "_Actor") as actor:
            actor.return_value.answers.side_effect = ActorError("out of memory")
            actors = self._workers(ray)
        with self.assertRaisesRegex(errors.InputError, "ended: out of memory"):
            actors.answers([tiny.SPACE.largest], 0, print, generation.Tally())


class ChunksTest(parameterized.TestCase):
    @parameterized.parameters(1, 3, 8, 100)
    def test_chunks_are_even_and_keep_what_begins_alike_together(self, count):
        rng = random.Random(0)
        drawn = {sampling.uniform(tiny.SPACE, rng) for _ in range(40)}
        chunks = workers._chunks(list(drawn), count)
        self.assertCountEqual(sum(chunks, []), drawn)
        sizes = [len(chunk) for chunk in chunks]
        self.assertLessEqual(max(sizes) - min(sizes), 1)
        self.assertLen(chunks, min(count, len(drawn)))
        widths = [m.embed_dim for chunk in chunks for m in chunk]
        self.assertEqual(widths, sorted(widths))

    def test_ray_that_is_missing_is_told_with_its_command(self):
        with (
            mock.patch.dict(sys.modules, {"ray": None}),
            self.assertRaisesRegex(errors.InputError, "pip install ray=="),
        ):
            workers._connected()


if __name__ == "__main__":
    absltest.main()
