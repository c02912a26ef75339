"""Checkpoint files of PyTorch: what is read, what is refused, what is run."""

import argparse
import errno
import os
import pathlib
import pickle
import sys
import zipfile
from unittest import mock

import numpy as np
import torch
from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.official import torch_file

TENSORS = {
    "head.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7,
    "head.bias": torch.tensor([0.5, -1.0]),
}


class _Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: pathlib.Path):
        self._folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self._folder,)


class TorchFileTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "supernet.pth"

    def _read(self, content, **options):
        torch.save(content, self.path, **options)
        return torch_file.read(self.path)

    def _check_tensors(self, found) -> None:
        self.assertCountEqual(found, TENSORS)
        for name, tensor in TENSORS.items():
            self.assertEqual(found[name].dtype, np.float32)
            np.testing.assert_array_equal(found[name], tensor.numpy())

    def _check_refused(self, *patterns: str) -> None:
        with self.assertRaises(errors.InputError) as caught:
            torch_file.read(self.path)
        for pattern in (str(self.path), *patterns):
            self.assertRegex(str(caught.exception), pattern)
        self.assertNotIn("\n", str(caught.exception))


class ReadTest(TorchFileTest):
    @parameterized.parameters(True, False)
    def test_tensors_and_options_of_a_namespace(self, is_zip):
        content = {
            "model": TENSORS,
            "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]},
            "epoch": 499,
            "args": argparse.Namespace(gp=True, drop_path=0.1, name="tiny"),
        }
        found, args = self._read(content, _use_new_zipfile_serialization=is_zip)
        self._check_tensors(found)
        self.assertEqual(args, {"gp": True, "drop_path": 0.1, "name": "tiny"})

    def test_options_of_a_dictionary(self):
        found, args = self._read({"model": TENSORS, "args": {"gp": False}})
        self._check_tensors(found)
        self.assertEqual(args, {"gp": False})

    @parameterized.parameters(True, False)
    def test_a_bare_state(self, is_zip):
        found, args = self._read(TENSORS, _use_new_zipfile_serialization=is_zip)
        self._check_tensors(found)
        self.assertEmpty(args)

    @parameterized.parameters(True, False)
    def test_the_prefix_of_a_parallel_model_is_dropped(self, is_bare):
        model = torch.nn.Module()
        model.head = torch.nn.Linear(3, 2)
        model.load_state_dict(TENSORS)
        state = torch.nn.DataParallel(model).state_dict()
        self.assertIn("module.head.bias", state)
        found, _ = self._read(state if is_bare else {"model": state})
        self._check_tensors(found)

    def test_a_prefix_that_only_some_names_have_stays(self):
        found, _ = self._read({"module.a": torch.ones(1), "b": torch.ones(1)})
        self.assertCountEqual(found, ["module.a", "b"])

    @parameterized.parameters(torch.float16, torch.bfloat16, torch.float64)
    def test_other_floats_become_float32(self, dtype):
        content = {name: tensor.to(dtype) for name, tensor in TENSORS.items()}
        found, _ = self._read(content)
        for name, tensor in content.items():
            self.assertEqual(found[name].dtype, np.float32)
            np.testing.assert_array_equal(found[name], tensor.float().numpy())

    def test_what_is_trained_or_a_view_is_a_tensor_too(self):
        found, _ = self._read(
            {
                "head.weight": TENSORS["head.weight"].T.contiguous().T,
                "head.bias": torch.nn.Parameter(TENSORS["head.bias"]),
            }
        )
        self._check_tensors(found)


class RefusalTest(TorchFileTest):
    def test_code_is_not_run(self):
        live, marker = self.folder / "live", self.folder / "marker"
        for place in ("model", "args", "else"):
            content = {"model": TENSORS, place: _Code(marker)}
            for is_zip in (True, False):
                with self.subTest(f"{place}, {is_zip}"):
                    torch.save(
                        content,
                        self.path,
                        _use_new_zipfile_serialization=is_zip,
                    )
                    self._check_refused("holds posix.mkdir,.* nothing .*run")
                    self.assertFalse(marker.exists())
        # It is code: PyTorch runs it where it may.
        torch.save(_Code(live), self.path)
        torch.load(self.path, weights_only=False)
        self.assertTrue(live.exists())

    def test_code_in_a_plain_pickle_is_not_run(self):
        marker = self.folder / "marker"
        self.path.write_bytes(pickle.dumps(_Code(marker)))
        self._check_refused("damaged or no PyTorch checkpoint")
        self.assertFalse(marker.exists())

    def test_options_that_hold_other_objects(self):
        args = argparse.Namespace(output_dir=pathlib.Path("there"))
        torch.save({"model": TENSORS, "args": args}, self.path)
        self._check_refused("holds pathlib.PosixPath, .* nothing .*run")

    @parameterized.parameters(True, False)
    def test_a_truncated_file(self, is_zip):
        torch.save(
            {"model": TENSORS | {"large": torch.ones(30_000)}},
            self.path,
            _use_new_zipfile_serialization=is_zip,
        )
        content = self.path.read_bytes()
        # PyTorch seeks the end of an archive in its last 64 KB.
        for size in (1, 50, 1000, 20_000, 100_000, len(content) - 8):
            with self.subTest(size):
                self.path.write_bytes(content[:size])
                self._check_refused("damaged or no PyTorch checkpoint$")

    def test_a_bit_that_flipped(self):
        torch.save({"model": TENSORS}, self.path)
        content = bytearray(self.path.read_bytes())
        place = content.index(TENSORS["head.weight"].numpy().tobytes())
        content[place + 5] ^= 1
        self.path.write_bytes(content)
        self._check_refused("damaged")

    @parameterized.parameters(
        b"", b"hello, world\n", b"<!DOCTYPE html>\n<html>\n", b"PK\3\4", b"\0"
    )
    def test_a_file_of_something_else(self, content):
        self.path.write_bytes(content)
        self._check_refused("damaged or no PyTorch checkpoint$")

    def test_a_file_that_cannot_be_opened(self):
        self._check_refused("cannot read .*No such file")
        self.path.mkdir()
        self._check_refused("cannot read .*Is a directory")

    @parameterized.parameters(
        ([TENSORS], "it holds list"),
        (torch.ones(3), "it holds Tensor"),
        ({}, "it holds dict"),
        ({"model": [1, 2]}, "it holds list"),
        ({"model": torch.ones(3)}, "it holds Tensor"),
        ({"model": {}}, "must hold named tensors"),
        ({"model": {"a": TENSORS}}, "a must be a tensor.*it is dict"),
        ({"state_dict": TENSORS}, "state_dict must be a tensor.*it is dict"),
        ({"a": 3}, "a must be a tensor of floats; it is int"),
        ({"a": torch.ones(3, dtype=torch.int64)}, "it is torch.int64"),
        ({"a": torch.ones(3, dtype=torch.complex64)}, "it is torch.complex64"),
        ({"a": torch.ones(3, dtype=torch.bool)}, "it is torch.bool"),
    )
    def test_content_that_is_no_named_floats(self, content, pattern):
        torch.save(content, self.path)
        self._check_refused(pattern)

    def test_an_archive_that_unpacks_to_more_than_its_size(self):
        torch.save({"a": torch.zeros(100_000)}, self.path)
        packed = self.folder / "packed.pth"
        with (
            zipfile.ZipFile(self.path) as plain,
            zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for name in plain.namelist():
                archive.writestr(name, plain.read(name))
        self.assertLess(packed.stat().st_size, 10_000)
        packed.replace(self.path)
        # Neither to check it nor to load it.
        with mock.patch.object(zipfile.ZipFile, "testzip") as check:
            self._check_refused(r"unpacks from \d,\d+ to 400,\d+ bytes; ")
        check.assert_not_called()

    @parameterized.product(
        is_zip=(True, False), dtype=(torch.float32, torch.float16)
    )
    def test_more_numbers_than_a_file_can_hold(self, is_zip, dtype):
        repeated = torch.zeros(1, dtype=dtype).expand(10**12)
        torch.save(
            {"model": {"a": repeated}},
            self.path,
            _use_new_zipfile_serialization=is_zip,
        )
        self._check_refused("a of 1,000,000,000,000 numbers must fit")

    def test_many_tensors_of_the_same_numbers(self):
        # Three of 0.4 GB. A GiB is taken of any file.
        whole = torch.zeros(1).expand(10**8)
        torch.save({str(i): whole for i in range(2)}, self.path)
        self.assertLen(torch_file.read(self.path)[0], 2)
        torch.save({str(i): whole for i in range(3)}, self.path)
        self._check_refused(": 2 of 100,000,000 numbers must fit")

    @parameterized.named_parameters(
        ("sparse", torch.ones(2, 3).to_sparse()),
        ("without_values", torch.ones(2, 3, device="meta")),
    )
    def test_a_tensor_that_is_no_array(self, tensor):
        torch.save({"head.weight": tensor}, self.path)
        self._check_refused("head.weight")


class WriteTest(TorchFileTest):
    def setUp(self):
        super().setUp()
        self.tensors = {name: TENSORS[name].numpy() for name in TENSORS}

    def test_pytorch_loads_it_by_default(self):
        # Laid out as the transposed tensors that it is made for.
        transposed = {
            name: tensor.T.copy().T for name, tensor in self.tensors.items()
        }
        args = {"gp": True, "input_size": 32, "drop_path": 0.1}
        torch_file.write(self.path, transposed, args)

        content = torch.load(self.path)

        self.assertEqual(content["args"], args)
        self.assertCountEqual(content["model"], TENSORS)
        for name, tensor in TENSORS.items():
            self.assertTrue(torch.equal(content["model"][name], tensor))
            self.assertTrue(content["model"][name].is_contiguous())

    def test_read_reads_it(self):
        torch_file.write(self.path, self.tensors, {"gp": False})
        found, args = torch_file.read(self.path)
        self._check_tensors(found)
        self.assertEqual(args, {"gp": False})

    def test_makes_the_folder(self):
        path = self.folder / "new" / "supernet.pth"
        torch_file.write(path, self.tensors, {})
        self._check_tensors(torch_file.read(path)[0])

    def test_an_existing_file_is_refused_and_untouched(self):
        self.path.write_text("precious")
        with self.assertRaisesRegex(errors.InputError, "pth exists already"):
            torch_file.write(self.path, self.tensors, {})
        self.assertEqual(list(self.folder.iterdir()), [self.path])
        self.assertEqual(self.path.read_text(), "precious")

    def test_a_full_disk_leaves_nothing(self):
        def write(path, content):
            path.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

        with (
            mock.patch.object(pathlib.Path, "write_bytes", write),
            self.assertRaisesRegex(errors.InputError, "No space left"),
        ):
            torch_file.write(self.path, self.tensors, {})
        self.assertEmpty(list(self.folder.iterdir()))

    def test_a_place_that_cannot_be_a_folder(self):
        self.path.write_text("precious")
        with self.assertRaisesRegex(errors.InputError, "cannot write to"):
            torch_file.write(self.path / "supernet.pth", self.tensors, {})
        self.assertEqual(list(self.folder.iterdir()), [self.path])


class WithoutTorchTest(TorchFileTest):
    def test_both_ways_say_how_to_get_it(self):
        with mock.patch.dict(sys.modules, {"torch": None}):
            for call in (
                lambda: torch_file.read(self.path),
                lambda: torch_file.write(self.path, {}, {}),
            ):
                with self.assertRaisesRegex(
                    errors.InputError, "^[^\n]*pip install torch$"
                ):
                    call()
        self.assertEmpty(list(self.folder.iterdir()))


if __name__ == "__main__":
    absltest.main()
