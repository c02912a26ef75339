"""The process that times timm's training pipeline, with the same recipe.

It does not mix the images of a batch, which timm does on a GPU.
"""

import collections.abc
import pathlib
import sys
import time
import types
from typing import Any

import torch
import torch.utils.data
from PIL import Image

from benchmarks import official, worker
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.supernet import cores

_IMAGE_SIZE = 224
_NUM_CLASSES = 1000
# Untimed batches: as many as the processes make ahead.
_WARM_UP = 2


def _timm() -> Any:
    """The data package of timm, made to fit newer libraries."""
    official.add_torch_six()
    # This describes operations that torchvision cannot load beside a PyTorch of
    # another build. No transform needs them.
    name = "torchvision._meta_registrations"
    sys.modules[name] = types.ModuleType(name)
    from timm import data

    return data


class _Photographs(torch.utils.data.Dataset):
    """JPEG files, decoded by Pillow.

    Args:
      files: Paths of the files.
      transform: Function of an image.
    """

    def __init__(self, files: list[str], transform: Any):
        self._files = files
        self._transform = transform

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = Image.open(self._files[index]).convert("RGB")
        return self._transform(image), index % _NUM_CLASSES


class TimmBatches:
    """timm's training pipeline on photographs, with a process on each core.

    Args:
      folder: Folder of the photographs. See `photographs.make`.
      batch_size: Images per batch.
      seed: Seed of the order.
    """

    def __init__(self, folder: str, batch_size: int, seed: int):
        timm = _timm()
        recipe = augmentation_config.AugmentationConfig()
        transform = timm.create_transform(
            input_size=_IMAGE_SIZE,
            is_training=True,
            auto_augment=(
                f"rand-m{recipe.randaugment_magnitude:g}"
                f"-n{recipe.randaugment}"
                f"-mstd{recipe.randaugment_stddev}-inc1"
            ),
            interpolation="bicubic",
            re_prob=recipe.random_erasing,
            re_mode="pixel",
            re_count=1,
        )
        torch.manual_seed(seed)
        files = sorted(map(str, pathlib.Path(folder).glob("*.jpg")))
        self._batch_size = batch_size
        self._loader = torch.utils.data.DataLoader(
            _Photographs(files, transform),
            batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=cores.available(),
            persistent_workers=True,
        )

    def training(self, count: int) -> list[float]:
        """Seconds per image, the mean over `count` consecutive batches."""
        batches = self._batches()
        for _ in range(_WARM_UP * cores.available()):
            next(batches)
        start = time.perf_counter()
        for _ in range(count):
            next(batches)
        return [(time.perf_counter() - start) / (count * self._batch_size)]

    def _batches(self) -> collections.abc.Iterator[Any]:
        while True:
            yield from self._loader


def main() -> None:
    """Serves the case to the parent process."""
    torch.set_num_threads(1)
    worker.serve({"training": TimmBatches(**worker.settings()).training})


if __name__ == "__main__":
    main()
