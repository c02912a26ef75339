"""The step that XLA compiles, against the one that TensorFlow runs."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from tests.helpers import tiny, trainings
from tf_autoformer.space import architecture

SPACE = dataclasses.replace(
    tiny.SPACE,
    embed_dims=(8, 20),
    depths=(1,),
    num_heads=(1, 3),
    mlp_ratios=(1.0,),
)
# Few sizes, as each is a compilation. 20 hidden units are padded to 24.
NARROW = architecture.Architecture(8, 1, (3,), (1.0,))
WIDE = architecture.Architecture(20, 1, (1,), (1.0,))
STEPS = 20
# Every option of a step at least once.
OPTIONS = {
    "all of AutoFormer's": {
        "drop_path": 0.3,
        "ema_decay": 0.9,
        "clip_norm": 0.5,
        "accumulation": 2,
        "replicas": 2,
    },
    "without relative position": {
        "model": {"position": "absolute", "pooling": "cls"},
        "method": "bignas",
    },
    "with relative position of the keys alone": {
        "model": {"position": "relative_keys", "pooling": "average"},
        "skips": True,
    },
}


def _both(steps: int, **options):
    """A plain and a compiled training, with their metrics."""
    paths = [(NARROW,), (WIDE,)]
    if options.get("method") == "bignas":
        paths = [(SPACE.largest, NARROW), (SPACE.largest, WIDE)]
    for compiled in (False, True):
        training = trainings.Training(space=SPACE, compiled=compiled, **options)
        yield training, training.run(paths * (steps // 2))


def _with_gradients(training: trainings.Training) -> list[np.ndarray]:
    """All values but those of the keys' bias.

    It moves all scores of a query alike, so its gradient is rounding alone, and
    AdamW makes steps of it.
    """
    values = training.values()
    weights = training.state.supernet.trainable_variables
    names = [weight.name for weight in weights] * (len(values) // len(weights))
    return [
        value if "qkv_bias" not in name else value[::2]
        for name, value in zip(names, values, strict=True)
    ]


class CompiledTest(parameterized.TestCase):
    @parameterized.named_parameters(
        (name, options) for name, options in OPTIONS.items()
    )
    def test_takes_the_same_steps_in_float32(self, options):
        (plain, wanted), (compiled, found) = _both(STEPS, **options)

        for step in range(STEPS):
            for values, others in zip(found[step], wanted[step], strict=True):
                np.testing.assert_allclose(values, others, rtol=1e-5)
        for values, others in zip(
            _with_gradients(compiled), _with_gradients(plain), strict=True
        ):
            np.testing.assert_allclose(values, others, atol=1e-5)

    @parameterized.parameters("mixed_float16", "mixed_bfloat16")
    def test_takes_the_same_steps_in_half_precision(self, precision):
        (plain, wanted), (compiled, found) = _both(
            6, precision=precision, drop_path=0.3
        )

        self.assertEqual(plain.state.guard.skipped, 0)
        self.assertEqual(compiled.state.guard.skipped, 0)
        for step in range(6):
            np.testing.assert_allclose(
                found[step].losses, wanted[step].losses, rtol=2e-3
            )
            np.testing.assert_allclose(
                found[step].gradient_norm,
                wanted[step].gradient_norm,
                rtol=1e-2,
            )
            self.assertEqual(found[step].loss_scale, wanted[step].loss_scale)

    def test_changes_nothing_outside_the_slices_by_a_bit(self):
        training = trainings.Training(space=SPACE, compiled=True, ema_decay=0.9)
        before = training.values()

        training.run([(NARROW,)])

        boxes = training.boxes(NARROW)
        kinds = len(before) // len(boxes)
        for was, now, box in zip(
            before, training.values(), boxes * kinds, strict=True
        ):
            changed = was.view(np.int32) != now.view(np.int32)
            changed[box] = False
            self.assertFalse(changed.any())

    def test_is_the_same_to_the_bit_each_time(self):
        first, second = (
            trainings.Training(space=SPACE, compiled=True, drop_path=0.3)
            for _ in range(2)
        )
        for training in (first, second):
            training.run([(NARROW,)] * 3)

        for values, others in zip(first.values(), second.values(), strict=True):
            np.testing.assert_array_equal(values, others)


class ProgramsTest(absltest.TestCase):
    def test_500_architectures_after_all_sizes_compile_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(
                [sys.executable, "-m", "tests.helpers.compilations", folder],
                env={
                    **os.environ,
                    "XLA_FLAGS": f"--xla_dump_to={folder} --xla_dump_hlo_as_"
                    "text",
                },
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(result.returncode, 0, result.stderr[-2000:])
            found = json.loads(result.stdout.splitlines()[-1])
        ahead, first, last = found["gradients"]
        self.assertGreater(ahead, 20)
        self.assertEqual([ahead, ahead], [first, last])
        ahead, first, last = found["updates"]
        self.assertEqual(ahead, 0)
        self.assertGreater(first, 5)
        self.assertEqual(first, last)
        self.assertEqual(found["traces"], 2)
        self.assertGreater(found["distinct"], 30)
        self.assertEqual(found["changed"], 0)


if __name__ == "__main__":
    absltest.main()
