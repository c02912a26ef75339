"""Flags are explained and refused, and costs told, without TensorFlow."""

import pathlib
import subprocess
import sys
from collections.abc import Sequence
from unittest import mock

import onnx
from absl.testing import absltest, parameterized

from tests.helpers import latencies
from tf_autoformer.experiment import experiment
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.latency import measurements, models

ROOT = pathlib.Path(__file__).parent.parent
# The binaries, and how the text begins that says what each is for.
BINARIES = {
    "train": "Trains a supernet",
    "search": "Searches a trained supernet",
    "export": "Exports any architecture",
    "report": "Reports on a search",
    "convert": "Converts supernets",
    "evaluate": "Evaluates a subnet",
    "finetune": "Fine-tunes one subnet",
    "describe": "Describes an architecture",
    "measure": "Measures the latency",
    "predict": "Classifies images",
    "serve": "Serves the newest export",
}
# Flags of the folder, where it is no working folder.
FOLDERS = {"predict": "--model: ", "serve": "--model_base: "}
TENSORFLOW = ("tensorflow", "tensorflow_datasets", "keras")
HEAVY = (*TENSORFLOW, "torch", "numpy", "matplotlib")

# Runs a binary as `python -m` does. The first argument names the packages that
# it must not import.
RUNNER = """
import runpy
import sys

_, heavy, module, *arguments = sys.argv


class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy.split(","):
            raise AssertionError(f"{name} is imported")


sys.meta_path.insert(0, Refusal())
sys.argv = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def run(
    binary: str, *arguments: str, heavy: Sequence[str] = HEAVY
) -> subprocess.CompletedProcess[str]:
    """Runs a binary that ends when it imports one of the `heavy` packages."""
    module = f"tf_autoformer.{binary}"
    return subprocess.run(
        [sys.executable, "-c", RUNNER, ",".join(heavy), module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def _identity() -> onnx.ModelProto:
    """An ONNX model of an image that does nothing."""
    image, same = (
        onnx.helper.make_tensor_value_info(name, 1, [1, 8, 8, 3])
        for name in ("images", "same")
    )
    node = onnx.helper.make_node("Identity", ["images"], ["same"])
    graph = onnx.helper.make_graph([node], "identity", [image], [same])
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)]
    )


class LightStartTest(parameterized.TestCase):
    @parameterized.product(
        binary=tuple(BINARIES), flag=("--help", "--helpshort", "--helpfull")
    )
    def test_flags_are_explained(self, binary, flag):
        result = run(binary, flag)
        self.assertEmpty(result.stderr)
        self.assertIn(BINARIES[binary], result.stdout)
        self.assertIn(FOLDERS.get(binary, "--workdir: "), result.stdout)

    @parameterized.parameters(*BINARIES)
    def test_an_unknown_flag_is_refused(self, binary):
        result = run(binary, "--nonsense=1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("Unknown command line flag 'nonsense'", result.stderr)

    @parameterized.parameters(
        ("train", "--batch_size=abc", "batch_size=abc"),
        ("train", "--search_space=huge", "search_space is 'huge'"),
        ("train", "--log_every=0", "log_every is 0"),
        ("search", "--name=..", "name is '..'"),
        ("search", "--population=0", "population is 0"),
        ("report", "--version=0", "version is 0"),
        ("report", "stray", "unexpected argument 'stray'"),
        ("evaluate", "--architecture=x", "architecture is 'x'"),
        ("finetune", "--init=inherited", "init is inherited; it needs super"),
    )
    def test_a_wrong_value_is_refused(self, binary, argument, message):
        result = run(binary, "--workdir=x", argument)
        self.assertEqual(result.returncode, 1)
        self.assertIn(message, result.stderr)

    def test_describe_tells_the_costs(self):
        result = run("describe", "--architecture=autoformer_s")
        self.assertEmpty(result.stderr)
        self.assertRegex(result.stdout, r"(?m)^parameters +22,891,432$")

    def test_describe_takes_the_network_of_a_working_folder(self):
        folder = self.create_tempdir().full_path
        workdir_lib.Workdir(folder).claim(experiment.DEFAULT)
        result = run(
            "describe", "--architecture=autoformer_t", f"--workdir={folder}"
        )
        self.assertEmpty(result.stderr)
        self.assertIn(" 10 classes", result.stdout)

    def test_describe_draws(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        picture = folder / "picture.png"
        # Matplotlib warns if it cannot write to its own, as under Bazel.
        self.enter_context(
            mock.patch.dict("os.environ", MPLCONFIGDIR=str(folder))
        )
        result = run(
            "describe",
            "--architecture=autoformer_s",
            f"--picture={picture}",
            heavy=TENSORFLOW,
        )
        self.assertEmpty(result.stderr)
        self.assertTrue(picture.is_file())

    def test_a_bound_on_latency_asks_for_measurements(self):
        folder = self.create_tempdir().full_path
        workdir_lib.Workdir(folder).claim(experiment.DEFAULT)
        result = run("search", f"--workdir={folder}", "--max_latency_ms=3")
        self.assertEqual(result.returncode, 1)
        self.assertIn("latency_ms is bounded; --latency=FILE", result.stderr)

    def test_measure_needs_no_tensorflow_where_models_are(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        folder = models.ModelFolder(root / "models")
        folder.claim(latencies.NETWORK, 1)
        for each in (latencies.SPACE.smallest, latencies.SPACE.largest):
            folder.add(each)
            onnx.save(_identity(), folder.path(each, "onnx"))
        result = run(
            "measure",
            f"--models={folder.root}",
            f"--output={root / 'latency.jsonl'}",
            *("--rounds=3", "--runs=2", "--threads=2"),
            heavy=(*TENSORFLOW, "sklearn", "matplotlib", "pandas"),
        )
        self.assertEmpty(result.stderr)
        self.assertIn("2 architectures", result.stdout)
        found = measurements.Measurements(root / "latency.jsonl")
        self.assertEqual(found.setting.threads, 2)
        self.assertRegex(found.setting.version, r"^onnxruntime \d")
        for times in found.visits.values():
            self.assertEqual([each.runs for each in times], [2, 2, 2])

    def test_measure_is_told_what_to_do(self):
        result = run("measure", "--models=x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is nothing to convert", result.stderr)
        result = run("measure", "--models=x", "--samples=3")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--workdir or --search_space must", result.stderr)

    def test_work_that_needs_tensorflow_would_be_noticed(self):
        result = run("evaluate", "--workdir=x", "--architecture=autoformer_s")
        self.assertIn("AssertionError: ", result.stderr)
        self.assertIn(" is imported", result.stderr)


if __name__ == "__main__":
    absltest.main()
