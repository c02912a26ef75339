"""What TensorFlow is told before the first operation of the tests."""

import functools

import tensorflow as tf
from tensorflow.python.data.ops import dataset_ops


@functools.cache
def prepare() -> None:
    """Splits the CPU in two, for tests of distribution, and saves time.

    It must precede TensorFlow's first operation.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    leave_out_grappler()


def leave_out_grappler() -> None:
    """Saves half of the time of a graph's first call.

    Most graphs of tests are called a few times only. The workers that share a
    training have Grappler, as users do.
    """
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": True}
    )


def leave_pipelines_as_written() -> None:
    """Saves the time in which tf.data rewrites a pipeline before its first use.

    What a pipeline returns stays the same. No option of all pipelines says so.
    """

    def finished(dataset: tf.data.Dataset) -> tf.data.Dataset:
        options = tf.data.Options()
        options.experimental_optimization.apply_default_optimizations = False
        return dataset.with_options(options)

    # Every iterator calls it first, for a debug mode that the tests do not use.
    dataset_ops.DatasetV2._apply_debug_options = finished
