"""The process that times the official PyTorch code."""

import collections.abc
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from benchmarks import comparison, worker
from tf_autoformer.experiment import training_config
from tf_autoformer.supernet import cores


def add_torch_six() -> None:
    """Adds a module of old PyTorch releases, which the code imports."""
    six = types.ModuleType("torch._six")
    six.inf = math.inf
    six.container_abcs = collections.abc
    sys.modules["torch._six"] = six


def _supernet_class(code: str) -> type[torch.nn.Module]:
    """The class of the official supernet.

    Args:
      code: Folder that holds the official code.
    """
    add_torch_six()
    sys.path.insert(0, code)
    from model import supernet_transformer

    return supernet_transformer.Vision_TransformerSuper


class Official:
    """The official supernet and one batch, with the cases that are timed.

    Args:
      subject: Supernet, its precision and the batch size.
    """

    def __init__(self, subject: comparison.Subject):
        torch.manual_seed(subject.seed)
        network, batch = comparison.NETWORK, subject.batch_size
        allocation = subject.space.allocation
        self._kind = subject.device
        self._device = {"cpu": "cpu", "gpu": "cuda"}[subject.device]
        self._dtype = getattr(torch, subject.precision)
        self._supernet = _supernet_class(subject.code)(
            img_size=network.image_size,
            patch_size=network.patch_size,
            num_classes=network.num_classes,
            embed_dim=allocation.embed_dim,
            depth=allocation.depth,
            num_heads=allocation.num_heads,
            mlp_ratio=allocation.mlp_ratio,
            qkv_bias=True,
            gp=True,
            relative_position=True,
            max_relative_position=network.max_relative_offset,
            change_qkv=True,
            drop_path_rate=network.drop_path,
        ).to(self._device)
        recipe = training_config.TrainingConfig()
        self._smoothing = recipe.label_smoothing
        self._optimizer = torch.optim.AdamW(
            self._supernet.parameters(),
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self._images = torch.randn(
            batch, network.channels, *network.input_size, device=self._device
        )
        self._labels = torch.randint(
            network.num_classes, [batch], device=self._device
        )

    def train(
        self, architectures: list[Mapping[str, Any]], together: bool = False
    ) -> list[float]:
        """Seconds that a training step of each architecture takes.

        Args:
          architectures: Architectures to train.
          together: Whether to wait for a GPU in the end only, and to return
            the mean for each.
        """
        self._supernet.train()
        return self._time(self._step, architectures, together)

    @torch.inference_mode()
    def forward(
        self, architectures: list[Mapping[str, Any]], together: bool = False
    ) -> list[float]:
        """Seconds that a forward pass takes. The arguments are `train`'s."""
        self._supernet.eval()
        return self._time(self._logits, architectures, together)

    def update(
        self, architecture: Mapping[str, Any], count: int
    ) -> list[float]:
        """Seconds of each update by the optimizer alone, gradients given.

        A training step of the architecture makes the gradients first.
        """
        self._supernet.train()
        self._step(architecture)
        return self._time(
            lambda _: self._optimizer.step(), range(count), together=True
        )

    def memory(self) -> list[float]:
        """The GPU memory that was in use at its highest, in bytes."""
        return [torch.cuda.max_memory_allocated()]

    def describe(self) -> list[str]:
        """The library and its version."""
        return [f"the official code on torch {torch.__version__}"]

    def peak(self, count: int) -> list[float]:
        """Seconds of each matrix product."""
        size = worker.PEAK_SIZES[self._kind]
        factors = torch.randn([2, size, size], device=self._device)
        left, right = factors.to(self._dtype)
        left @ right
        self._wait()
        return self._time(lambda _: left @ right, range(count), together=True)

    def _logits(self, architecture: Mapping[str, Any]) -> torch.Tensor:
        depth = architecture["depth"]
        self._supernet.set_sample_config(
            {
                "layer_num": depth,
                "embed_dim": [architecture["embed_dim"]] * depth,
                "num_heads": architecture["num_heads"],
                "mlp_ratio": architecture["mlp_ratio"],
            }
        )
        with self._autocast():
            return self._supernet(self._images)

    def _step(self, architecture: Mapping[str, Any]) -> None:
        logits = self._logits(architecture)
        with self._autocast():
            loss = torch.nn.functional.cross_entropy(
                logits, self._labels, label_smoothing=self._smoothing
            )
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def _autocast(self) -> torch.autocast:
        mixed = self._dtype != torch.float32
        return torch.autocast(self._device, torch.bfloat16, enabled=mixed)

    def _time(
        self,
        call: Callable[[Any], Any],
        items: Sequence[Any],
        together: bool,
    ) -> list[float]:
        """Seconds of each call, or the mean of all, one after the other."""
        return worker.time_all(call, items, self._wait, together)

    def _wait(self) -> None:
        """Waits for the device's work."""
        if self._device == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    """Serves the cases to the parent process."""
    torch.set_num_threads(cores.available())
    torch.backends.cuda.matmul.allow_tf32 = True  # As our --tf32.
    torch.backends.cudnn.allow_tf32 = True
    official = Official(comparison.Subject(**worker.settings()["subject"]))
    worker.serve(
        {
            "train": official.train,
            "forward": official.forward,
            "update": official.update,
            "peak": official.peak,
            "prepare": list,  # Nothing.
            "memory": official.memory,
            "describe": official.describe,
        }
    )


if __name__ == "__main__":
    main()
