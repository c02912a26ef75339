"""A flag that is wrong is named in one line, before anything is made."""

import pathlib
import re

from absl.testing import absltest

from tests.helpers import processes

FLAGS = pathlib.Path(__file__).parent.parent / "flags"
DIGITS = f"--flagfile={FLAGS / 'digits' / 'supernet.flags'}"
# Those that work in a folder, and the flags that they need besides its name.
BINARIES = {
    "train": (),
    "search": (),
    "export": ("--architecture=autoformer_t", "--export_dir=y"),
    "evaluate": ("--architecture=autoformer_t",),
    "report": (),
}


class FlagsTest(processes.MistakeTest):
    BAD_FLAGS = (  # (binary, arguments, message)
        ("train", ["--nonsense=1"], "nonsense"),
        ("train", ["--flagfile=no_such.flags"], "no_such.flags"),
        ("train", ["stray"], "stray"),
        (
            "train",
            ["--dataset=nope"],
            "dataset is 'nope'.* one of digits",
        ),
        ("train", ["--search_space=huge"], "search_space is 'huge'.*tiny"),
        ("train", ["--search_space=no.json"], r"cannot read no\.json"),
        ("train", ["--batch_size=abc"], "batch_size=abc"),
        ("train", ["--batch_size=0"], "batch_size is 0.* positive"),
        (
            "train",
            [f"--batch_size=1{'0' * 400}"],
            "batch_size is 10+[.]{3}0+; it must be at most 2147483647$",
        ),
        ("train", ["--epochs=1e300"], r"epochs is 1e\+300; .* at most 21"),
        ("search", ["--max_params=inf"], "maximum is inf; .* finite"),
        ("train", ["--epochs=nan"], "epochs is nan"),
        ("train", ["--epochs=inf"], "epochs is inf"),
        ("train", ["--epochs=1"], "warmup_epochs is 20.* epochs, 1.0"),
        ("train", ["--learning_rate=nan"], "learning_rate is nan"),
        (
            "train",
            ["--label_smoothing=2"],
            "label_smoothing is 2.* below 1",
        ),
        ("train", ["--seed=4294967296"], "seed is 4294967296"),
        ("train", ["--pooling=x"], "pooling=x.*cls.*average"),
        ("train", ["--patch_size=15"], "image_size is 224.*patch_size, 15"),
        ("train", ["--image_size=axb"], "image_size=axb.*224x320"),
        (
            "train",
            ["--image_size=32x40"],
            r"image_size is \(32, 40\).* patch_size, 16",
        ),
        ("train", ["--qkv_bias_layout=x"], "qkv_bias_layout=x.*heads.*flat"),
        ("train", ["--precision=x"], "precision=x.*float32.*mixed_bfloat16"),
        ("train", ["--drop_path=1"], r"drop_path is 1.0.* \[0, 1\)"),
        ("train", ["--init_stddev=nan"], "init_stddev is nan"),
        ("train", ["--log_every=0"], "log_every is 0.* at least 1"),
        ("search", ["--population=0"], "population is 0.* at least 1"),
        ("search", ["--layer_probability=2"], r"layer_probability is 2.0"),
        ("search", ["--max_params=0"], "params.* 0.*positive"),
        ("search", ["--max_params=many"], "max_params=many"),
        (
            "search",
            ["--min_params=2e5", "--max_params=1e5"],
            "params.* 200,000.* 100,000",
        ),
        ("search", ["--name=../elsewhere"], r"name is '\.\./elsewhere'"),
        ("search", ["--version=0"], "version is 0.* at least 1"),
        ("export", ["--architecture=x"], "--export_dir"),
        ("finetune", [], "init is inherited; it needs supernet"),
        ("finetune", ["--init=export"], "init is export; it needs export"),
        ("finetune", ["--init=random"], "init is random; it needs archi"),
        (
            "finetune",
            ["--supernet=x", "--export=y"],
            "export is given; it is of no use with init inherited",
        ),
        (
            "finetune",
            ["--supernet=x", "--learning_rate=1e-7"],
            "min_learning_rate is 1e-06; it must not exceed learning_rate",
        ),
        (
            "finetune",
            [
                *("--init=random", "--architecture=autoformer_t"),
                "--teacher=largest",
            ],
            "teacher is largest; it needs supernet",
        ),
        (
            "evaluate",
            ["--architecture=x", "--split=all"],
            "split=all.*train.*validation.*test",
        ),
        ("evaluate", ["--architecture=x", "--batch_size=0"], "batch_size=0"),
        ("evaluate", ["--architecture=x"], "is 'x'; .* file or one of"),
        (
            "evaluate",
            [*BINARIES["evaluate"], "--image_size=8x"],
            "image_size=8x: .*224x320",
        ),
        ("report", ["--version=0"], "version is 0"),
        # The system says so, wherever it is asked first.
        ("report", [f"--workdir={'n' * 300}"], "cannot use n.*: .* too long$"),
    )

    def test_a_bad_flag_is_named_and_nothing_is_made(self):
        wall = self.folder / "file"
        wall.touch()
        for number, (binary, arguments, pattern) in enumerate(self.BAD_FLAGS):
            with self.subTest(f"{binary} {' '.join(arguments)}"):
                workdir = self.folder / str(number)
                places = [f"--workdir={workdir}"]
                if binary != "export":  # What is not refused goes no further.
                    places.append(f"--data_dir={wall}")
                result = processes.run(binary, *places, *arguments)
                self.check_mistake(result, pattern)
                self.assertFalse(workdir.exists())

    def test_a_missing_workdir_is_named(self):
        for binary, others in BINARIES.items():
            with self.subTest(binary):
                result = processes.run(binary, *others)
                self.check_mistake(result, "--workdir")

    def test_help_shows_what_the_binary_does_and_explains_every_flag(self):
        for binary, purpose, flags in (
            ("train", "Trains a supernet", ("batch_size", "log_every")),
            (
                "search",
                "Searches a trained supernet",
                ("max_params", "parents"),
            ),
            (
                "export",
                "Exports any architecture",
                ("architecture", "image_size"),
            ),
            ("evaluate", "Evaluates a subnet", ("split", "batch_size")),
            ("report", "Reports on a search", ("data_dir",)),
            ("describe", "Describes an architecture", ("picture", "position")),
            (
                "convert",
                "Converts supernets",
                ("official_checkpoint", "export_official", "pooling"),
            ),
        ):
            with self.subTest(binary):
                result = processes.run(binary, "--help")
                self.assertEmpty(result.err)
                self.assertIn(purpose, result.out)
                texts = dict(
                    re.findall(r"^  --(?:\[no\])?(\w+): (.*)", result.out, re.M)
                )
                self.assertContainsSubset({"workdir", *flags}, texts)
                self.assertNotIn("", texts.values())


class FlagFileTest(processes.MistakeTest):
    def _describe(self, content: bytes) -> processes.Result:
        path = self.folder / "some.flags"
        path.write_bytes(content)
        return processes.run("describe", f"--flagfile={path}")

    def test_a_byte_order_mark_is_no_part_of_a_flag_file(self):
        mark = "\ufeff".encode()
        inner = self.folder / "inner.flags"
        inner.write_bytes(mark + b"--architecture=autoformer_t\n")
        for content in (
            inner.read_bytes(),
            mark + b"# A comment.\n--architecture=autoformer_t\n",
            mark + f"--flagfile={inner}\n".encode(),
        ):
            result = self._describe(content)
            self.assertEqual((result.code, result.messages), (0, []))
            self.assertIn("embed dim 192, depth 13", result.out)

    def test_a_flag_file_that_is_no_text_is_refused(self):
        result = self._describe(b"--architecture=caf\xe9")
        self.check_mistake(result, "flagfile must be a text in UTF-8")


class NoSupernetTest(processes.MistakeTest):
    def setUp(self):
        super().setUp()
        self.wall = self.folder / "file"
        self.wall.touch()

    def test_who_needs_a_supernet_says_so_and_makes_no_folder(self):
        binaries = BINARIES | {"describe": BINARIES["evaluate"]}
        for binary in binaries.keys() - {"train"}:
            with self.subTest(binary):
                result = processes.run(
                    binary, f"--workdir={self.new}", *binaries[binary]
                )
                self.check_mistake(
                    result,
                    rf"{self.new}.* train a supernet there or convert one",
                )
                self.assertEqual(list(self.folder.iterdir()), [self.wall])

    def test_train_in_a_place_that_cannot_be_a_folder(self):
        for workdir in (self.wall, self.wall / "workdir"):
            with self.subTest(workdir.name):
                result = processes.run("train", DIGITS, f"--workdir={workdir}")
                self.check_mistake(result, f"cannot write to {workdir}")

    def test_data_in_a_place_that_cannot_be_a_folder(self):
        data_dir = self.wall / "data"
        result = processes.run(
            "train",
            DIGITS,
            f"--workdir={self.new}",
            f"--data_dir={data_dir}",
        )
        self.check_mistake(result, f"cannot write to {data_dir}")


class DescribeTest(processes.MistakeTest):
    def test_what_cannot_be_described_is_told_in_place_of_a_description(self):
        for arguments, pattern in (
            ([], "--architecture"),
            (
                ["--architecture=autoformer_x"],
                "is 'autoformer_x'; .* one of autoformer_b",
            ),
            (
                ["--architecture=autoformer_s", "--search_space=tiny"],
                r"embed_dim is 384, outside .* allows 192, 216, 240$",
            ),
            (
                ["--architecture=autoformer_s", "--search_space=huge"],
                "search_space is 'huge'.*tiny",
            ),
            (
                ["--architecture=autoformer_s", "--image_size=230"],
                "image_size is 230.*patch_size, 16",
            ),
            (
                ["--architecture=autoformer_s", "--image_size=axb"],
                "image_size=axb",
            ),
            (
                ["--architecture=autoformer_s", "--num_classes=0"],
                "num_classes is 0.* positive",
            ),
            (
                ["--architecture=autoformer_s", "--picture=x.jpg"],
                "picture is 'x.jpg'; it must be a .png file",
            ),
            (["--architecture=autoformer_s", "stray"], "stray"),
        ):
            with self.subTest(" ".join(arguments)):
                picture = f"--picture={self.new / 'picture.png'}"
                result = processes.run("describe", picture, *arguments)
                self.check_mistake(result, pattern)
                self.assertEmpty(result.out)
                self.assertFalse(self.new.exists())

    def test_a_picture_in_a_place_that_cannot_be_a_folder(self):
        self.new.touch()
        result = processes.run(
            "describe",
            "--architecture=autoformer_s",
            f"--picture={self.new / 'picture.png'}",
        )
        self.check_mistake(result, f"cannot write to {self.new}")


if __name__ == "__main__":
    absltest.main()
