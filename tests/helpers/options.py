"""Options as a binary reads them, and what its flags are."""

from collections.abc import Mapping
from typing import Any

from absl import flags
from absl.testing import flagsaver

from tf_autoformer import flag_fields


def parse(options: type, *arguments: str) -> Any:
    """The options of a command line.

    Args:
      options: Dataclass of the options.
      *arguments: Words of the command line, without the binary's name.
    """
    with flagsaver.flagsaver():  # Flags are global. These go in the end.
        read = flag_fields.define(options)
        flags.FLAGS(["binary", *arguments])
        return read()


def defined(options: type) -> Mapping[str, flags.Flag]:
    """The flags of the options, by name."""
    with flagsaver.flagsaver():
        before = set(flags.FLAGS)
        flag_fields.define(options)
        names = set(flags.FLAGS) - before
        return {name: flags.FLAGS[name] for name in names}
