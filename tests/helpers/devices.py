"""Two virtual CPUs for tests of distribution."""

import tensorflow as tf


def make_two_cpus() -> None:
    """Splits the CPU in two. Must precede TensorFlow's first operation."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
