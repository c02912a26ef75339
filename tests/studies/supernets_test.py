"""The supernets of a study: groups, and the experiments made from them."""

import dataclasses
import pathlib

from absl.testing import absltest

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture, search_space
from tf_autoformer.studies import supernets

SUBNET = architecture.Architecture(8, 1, (2,), (1.0,))


class SupernetsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)

    def folder(
        self,
        name,
        *,
        space=tiny.SPACE,
        subnet=None,
        step=3,
        dataset="digits",
        **recipe,
    ):
        """The path of a working folder that looks trained."""
        made = workdir_lib.Workdir(self.root / name)
        experiment = dataclasses.replace(
            tiny.experiment(**recipe),
            dataset=dataset,
            space=space,
            architecture=subnet,
        )
        made.claim(experiment)
        made.checkpoints.mkdir()
        (made.checkpoints / "checkpoint").write_text(
            f'model_checkpoint_path: "ckpt-{step}"'
        )
        return str(made.root)

    def test_supernets_that_differ_only_in_seed_and_data_are_one_group(self):
        folders = [
            self.folder("a", seed=1),
            self.folder("b", seed=2, dataset="digits_folds/2"),
            self.folder("c", seed=1, method="bignas"),
            self.folder("d", seed=2, method="bignas", dataset="digits_folds/2"),
        ]

        first, second = supernets.read(folders)

        self.assertEqual((first.name, second.name), ("a, b", "c, d"))
        self.assertEqual(
            [str(each.workdir.root) for each in first.members], folders[:2]
        )
        self.assertEqual([each.step for each in first.members], [3, 3])
        self.assertEqual(first.datasets, ["digits", "digits_folds/2"])

    def test_weights_from_elsewhere_are_a_group_of_their_own(self):
        groups = supernets.read([self.folder("a"), self.folder("b", step=0)])

        self.assertEqual([each.name for each in groups], ["a", "b"])

    def test_a_name_leaves_out_folders_in_the_middle(self):
        (group,) = supernets.read(
            [self.folder(f"s{seed}", seed=seed) for seed in range(6)]
        )

        self.assertEqual(group.name, "s0, …, s5")

    def test_groups_of_equal_folder_names_are_named_by_their_paths(self):
        folders = [self.folder("x/a"), self.folder("y/a", step=0)]

        groups = supernets.read(folders)

        self.assertEqual([each.name for each in groups], folders)

    def test_images_of_one_split_count_once(self):
        results = [{"images": {"test": number}} for number in (10, 10, 40)]
        group, *_ = supernets.read(
            [
                self.folder("a", seed=1),
                self.folder("b", seed=2),
                self.folder("c", dataset="digits_folds/1"),
            ]
        )

        self.assertEqual(group.images(results, "test"), 50)

    def test_refuses_what_cannot_be_compared(self):
        other_space = dataclasses.replace(tiny.SPACE, depths=(1,))
        first = self.folder("first")
        for folders, message in (
            ([first, f"{first}/../first"], "twice"),
            ([str(self.root / "none")], "does not exist"),
            (
                [first, self.folder("other", space=other_space)],
                "other with the search space .*must be that of .*first",
            ),
            (
                [
                    first,
                    self.folder("odd", epochs=70.0),
                    self.folder("odder", epochs=70.0, seed=1),
                ],
                "odd, odder with the data digits, digits; they must be those "
                "of first, digits",
            ),
            (
                [
                    self.folder(
                        "tuned",
                        subnet=SUBNET,
                        space=search_space.containing(SUBNET),
                    )
                ],
                "tuned is the folder of a network of one subnet",
            ),
        ):
            with (
                self.subTest(message=message),
                self.assertRaisesRegex(errors.InputError, message),
            ):
                supernets.read(folders)

    def test_a_subnet_alone_has_the_recipe_and_its_own_drop_path(self):
        experiment = tiny.experiment(method="bignas", seed=7, epochs=90.0)
        experiment = dataclasses.replace(
            experiment,
            model=dataclasses.replace(tiny.MODEL, drop_path=0.3),
            space=dataclasses.replace(tiny.SPACE, depths=(1, 2, 4)),
        )
        subnet = architecture.Architecture(8, 2, (2, 1), (1.0, 2.0))

        alone = supernets.alone(experiment, subnet)

        self.assertEqual(alone.architecture, subnet)
        self.assertEqual(alone.space.largest.num_heads, (2, 2))
        # As the first two of four blocks: 0, 0.1, 0.2, 0.3.
        for found, rate in zip(
            alone.model.drop_path_rates(2), (0.0, 0.1), strict=True
        ):
            self.assertAlmostEqual(found, rate)
        # The labels teach it, whatever has taught the supernet.
        self.assertEqual(
            alone.training,
            dataclasses.replace(experiment.training, method="autoformer"),
        )

    def test_a_converted_supernet_has_no_recipe(self):
        converted = dataclasses.replace(tiny.experiment(), training=None)

        with self.assertRaisesRegex(errors.InputError, "no recipe"):
            supernets.alone(converted, SUBNET)

    def test_pooled_accuracy_is_over_the_images_of_all(self):
        results = [
            {"images": {"test": 10}, "right": {"test": [5, 10]}},
            {"images": {"test": 30}, "right": {"test": [30, 10]}},
        ]

        self.assertEqual(supernets.pooled(results, "test"), [35 / 40, 0.5])


if __name__ == "__main__":
    absltest.main()
