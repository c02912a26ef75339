"""What each test file does by itself when it runs as a program."""

from absl import flags

from tests.helpers import devices

flags.FLAGS.mark_as_parsed()  # absltest reads its folders from flags.
devices.make_two_cpus()  # Must precede the first operation of any file.
