r"""Serves the newest export of a folder by TF Serving's REST API.

  python -m tf_autoformer.serve --model_base=WORKDIR/export

A newer version that appears in the folder takes over without a gap. The page
at / classifies a photo that is dropped there.
"""

import asyncio
import dataclasses
import pathlib
import re

from tf_autoformer import binary, errors, rules


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of `serve`.

    Attributes:
      model_base: Folder that has a SavedModel for each version, in a folder
        named by its number. The largest number is served.
      name: Name of the model in the URLs.
      host: Address to listen at. 0.0.0.0 is reachable from other machines.
      port: Port to listen at. 0: any that is free.
      max_batch: Largest number of images that are computed together.
      batch_timeout_ms: Time that a batch waits for further requests.
      max_queue: Number of images that may wait. Further requests are answered
        with status 503.
      max_body_mib: Largest request in MiB. A larger one is answered with status
        413.
      poll_seconds: Time between two looks for a newer version.
    """

    model_base: pathlib.Path = rules.field(
        dataclasses.MISSING, rules.LITERAL_PATH
    )
    name: str = rules.field(
        "classifier",
        rules.Rule(
            "made of letters, digits, . _ and -",
            lambda name: re.fullmatch(r"[\w.-]+", name, re.ASCII) is not None,
        ),
    )
    host: str = rules.field("127.0.0.1", rules.Rule("an address", bool))
    port: int = rules.field(8501, rules.between(0, 65_535))
    max_batch: int = rules.field(32, rules.between(1, 10_000))
    batch_timeout_ms: float = rules.field(2.0, rules.between(0, 10_000))
    max_queue: int = rules.field(1_000, rules.POSITIVE)
    max_body_mib: int = rules.field(32, rules.between(1, 1_024))
    poll_seconds: float = rules.field(1.0, rules.between(0.01, 3_600))


def main(options: Options) -> None:
    """Serves until a signal ends it."""
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise errors.InputError(
            "serve needs uvicorn and starlette; pip install '.[serve]' in the "
            "clone gets them"
        ) from error
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.serving.server import batching, running

    limits = batching.Limits(
        options.max_batch, options.batch_timeout_ms / 1e3, options.max_queue
    )
    asyncio.run(
        running.run(
            options.model_base,
            options.name,
            (options.host, options.port),
            limits,
            options.max_body_mib * 2**20,
            options.poll_seconds,
        )
    )


if __name__ == "__main__":
    binary.run(main, Options)
