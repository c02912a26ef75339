"""What TensorFlow is told before the first operation of the tests."""

import tensorflow as tf


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

    Most graphs of tests are called a few times only. The tests that resume a
    training and that share one have Grappler, as users do.
    """
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": True}
    )
