"""The tasks of the studies on a tiny supernet of the digits."""

import dataclasses
import pathlib

import tensorflow as tf
from absl.testing import absltest

from tests.helpers import devices, latencies, tiny
from tf_autoformer.evaluation import standalone
from tf_autoformer.evolution import algorithm
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture, constraint
from tf_autoformer.studies import supernets, work
from tf_autoformer.supernet import subnet as subnet_lib
from tf_autoformer.training import run_config

devices.leave_out_grappler()
RUN = run_config.RunConfig(strategy="one_device")
SUBNET = architecture.Architecture(8, 2, (1, 2), (1.0, 0.5))


class WorkTest(tiny.WorkdirTest):
    def test_a_subnet_is_trained_alone_and_evaluated(self):
        experiment = dataclasses.replace(
            tiny.experiment(
                epochs=0.1,
                warmup_epochs=0.0,
                batch_size=32,
                learning_rate=1e-2,
                method="bignas",
            ),
            model=tiny.DIGITS_MODEL,
        )
        alone = supernets.alone(experiment, SUBNET)
        root = pathlib.Path(self.root) / "alone"

        found = work.train(root, alone, [SUBNET], self.data_dir, RUN)

        workdir = workdir_lib.Workdir(root)
        self.assertEqual(workdir.experiment.architecture, SUBNET)
        trained = workdir.trained(tf.distribute.get_strategy(), self.data_dir)
        self.assertEqual(trained.step, 4)
        network = subnet_lib.inherit(trained.supernet, SUBNET)
        for split, images in (("validation", 288), ("test", 360)):
            accuracy = standalone.evaluate(
                network, trained.dataset, split, 100
            ).top_1
            self.assertEqual(found["images"][split], images)
            self.assertAlmostEqual(found["right"][split][0] / images, accuracy)
        self.assertGreater(found["seconds"], 0)
        # The same task again finds the same, without a training.
        again = work.train(root, alone, [SUBNET], self.data_dir, RUN)
        self.assertEqual(again["right"], found["right"])

    def test_a_search_under_predicted_latency(self):
        file = pathlib.Path(self.root) / "latency.jsonl"
        latencies.write(file)

        found = work.search(
            self.workdir.root,
            "fast",
            algorithm.EvolutionConfig(
                population=3, generations=2, crossovers=1, mutations=2
            ),
            {"latency_ms": constraint.Range(None, 2.2)},
            file,
            self.data_dir,
        )

        best = architecture.Architecture.from_dict(found["architecture"])
        self.assertEqual(
            best,
            architecture.Architecture.load(self.workdir.search("fast").best),
        )
        self.assertEqual(found["candidates"], 6)
        self.assertLessEqual(found["latency_ms"], 2.2)


if __name__ == "__main__":
    absltest.main()
