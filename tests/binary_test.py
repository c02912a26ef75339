"""What every binary shows of its work."""

import contextlib
import io
import logging

from absl.testing import absltest

from tf_autoformer import binary


class ProgressTest(absltest.TestCase):
    def test_progress_of_the_package_and_of_a_benchmark_is_shown(self):
        loggers = [
            logging.getLogger(name)
            for name in ("tf_autoformer.room", "__main__", "library")
        ]
        shown = io.StringIO()

        with contextlib.redirect_stderr(shown):
            binary._show_progress()
        for logger in loggers:
            logger.info("progress of %s", logger.name)

        self.assertEqual(
            [line.split(" ", 1)[1] for line in shown.getvalue().splitlines()],
            ["progress of tf_autoformer.room", "progress of __main__"],
        )


if __name__ == "__main__":
    absltest.main()
