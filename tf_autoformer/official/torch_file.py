"""Checkpoint files of PyTorch (.pth). They need PyTorch, an optional extra."""

import argparse
import io
import os
import pathlib
import re
import warnings
import zipfile
from collections.abc import Mapping
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from tf_autoformer import errors, files


def _torch() -> ModuleType:
    """PyTorch, imported late.

    Raises:
      InputError: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise errors.InputError(
            "checkpoints of the official code need PyTorch: pip install torch"
        ) from error
    return torch


def read(
    path: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads a checkpoint of the official code. Code in the file is not run.

    Args:
      path: Path of a file that holds `{"model": tensors, "args": options, …}`,
        as the official code saves it, or the tensors alone. The names may
        all have the prefix "module." of a model in DataParallel.

    Returns:
      Mapping of names to float32 tensors, and the options, which are empty if
      the file has none.

    Raises:
      InputError: The file is missing or damaged, holds code, is no such
        checkpoint, or unpacks to more than its own size, or PyTorch is not
        installed.
    """
    torch = _torch()
    try:
        with (
            pathlib.Path(path).open("rb") as file,
            # The official code saves its options as a Namespace.
            torch.serialization.safe_globals([argparse.Namespace]),
            warnings.catch_warnings(),
        ):
            # A warning of pickle's version, ahead of the error that follows.
            warnings.simplefilter("ignore")
            _check_archive(file, path)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except errors.InputError:
        raise
    # PyTorch raises errors of many types: KeyError, EOFError, RuntimeError, …
    except Exception as error:
        if isinstance(error, OSError) and error.filename:
            raise errors.InputError(
                f"cannot read {path}: {error.strerror}"
            ) from error
        if refused := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise errors.InputError(
                f"{path} holds {refused[1]}, which is neither weight nor "
                "option; nothing in the file was run"
            ) from error
        raise errors.InputError(
            f"{path} is damaged or no PyTorch checkpoint"
        ) from error
    args = {}
    tensors = content
    if isinstance(content, Mapping) and "model" in content:
        tensors, found = content["model"], content.get("args")
        if isinstance(found, argparse.Namespace):
            found = vars(found)
        if isinstance(found, Mapping):
            args = dict(found)
    if not isinstance(tensors, Mapping) or not tensors:
        raise errors.InputError(
            f"{path} must hold named tensors, perhaps under 'model'; it holds "
            f"{type(tensors).__name__}"
        )
    arrays = {}
    size = os.path.getsize(path)
    left = max(size, _HARMLESS)
    for key, tensor in tensors.items():
        if not (
            isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
        ):
            kind = getattr(tensor, "dtype", type(tensor).__name__)
            raise errors.InputError(
                f"{path}: {key} must be a tensor of floats; it is {kind}"
            )
        try:
            # A stride of 0 makes any number of elements of one.
            left -= tensor.numel() * tensor.element_size()
            if left < 0:
                raise errors.InputError(
                    f"{path}: {key} of {tensor.numel():,} numbers must fit "
                    f"into the file, which has {size:,} bytes"
                )
            arrays[str(key)] = tensor.detach().to(torch.float32).numpy()
        # A sparse, nested or empty (meta) tensor cannot be converted.
        except (TypeError, RuntimeError) as error:
            raise errors.InputError(
                f"{path}: {key} must be an array; it is a tensor that cannot "
                "be made one"
            ) from error
    if all(name.startswith(_PARALLEL) for name in arrays):
        arrays = {
            name.removeprefix(_PARALLEL): array
            for name, array in arrays.items()
        }
    return arrays, args


# Bytes of tensors that a file may have, however small it is. An official
# supernet has a quarter of it.
_HARMLESS = 2**30
# Prefix that PyTorch's DataParallel gives all names.
_PARALLEL = "module."


def _check_archive(file: BinaryIO, path: str | os.PathLike[str]) -> None:
    """Checks a file that is an archive before anything is unpacked.

    Raises:
      InputError: It would unpack to more than its own size.
      BadZipFile: A member is damaged.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            size = os.path.getsize(path)
            if unpacked > size:
                raise errors.InputError(
                    f"{path} unpacks from {size:,} to {unpacked:,} bytes; it "
                    "must be as PyTorch writes it, which packs nothing"
                )
            if archive.testzip() is not None:
                raise zipfile.BadZipFile
    file.seek(0)


def write(
    path: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray],
    args: Mapping[str, Any],
) -> None:
    """Writes a checkpoint that `read` reads, as a whole file or not at all.

    Args:
      path: Path of the file to make.
      tensors: Mapping of names to tensors.
      args: Options. Their values are plain, so that every PyTorch loads them
        by default.

    Raises:
      InputError: The file exists or cannot be written, or PyTorch is not
        installed.
    """
    torch = _torch()
    files.require_absent(path)
    content = {
        "model": {
            key: torch.from_numpy(np.ascontiguousarray(tensor))
            for key, tensor in tensors.items()
        },
        "args": dict(args),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    files.write_bytes(path, buffer.getbuffer())
