"""Tasks: their memory, and the processes that do them."""

import os
import pathlib
import signal
import time

from absl.testing import absltest

from tf_autoformer import errors
from tf_autoformer.studies import tasks as tasks_lib

NO_COMPILATION = ("off", "", True)


def double(number):
    """A task. In another process it tells the number of its cores."""
    return {"double": 2 * number, "cores": len(os.sched_getaffinity(0))}


def fail(message):
    """A task that cannot be done."""
    raise errors.InputError(message)


def wait(path):
    """A task that ends only when it is interrupted."""
    pathlib.Path(f"{path} began").touch()
    try:
        time.sleep(300)
    except KeyboardInterrupt:
        pathlib.Path(f"{path} ended").touch()
        raise


def fail_beside(path):
    """A task that fails when another one has begun."""
    while not os.path.exists(f"{path} began"):
        time.sleep(0.05)
    fail("no such thing")


def die(_):
    """A task whose process is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def tasks(function, *arguments):
    """A task for each argument."""
    return [
        tasks_lib.Task(f"task {each}", function, (each,)) for each in arguments
    ]


class TasksTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.file = self.folder / "results.jsonl"

    def run_tasks(self, wanted, jobs=1):
        return tasks_lib.Tasks(self.folder, jobs, NO_COMPILATION).results(
            wanted
        )

    def test_a_result_is_remembered(self):
        first = self.run_tasks(tasks(double, 1, 2))
        self.assertEqual([each["double"] for each in first], [2, 4])

        # Known tasks are not done again, in whatever order they come.
        again = self.run_tasks([*tasks(fail, 2), *tasks(double, 3)])

        self.assertEqual([each["double"] for each in again], [4, 6])
        self.assertLen(self.file.read_text().splitlines(), 3)

    def test_what_was_done_before_a_failure_is_remembered(self):
        with self.assertRaisesRegex(errors.InputError, "no such thing"):
            self.run_tasks([*tasks(double, 1), *tasks(fail, "no such thing")])

        self.assertLen(self.file.read_text().splitlines(), 1)

    def test_a_line_cut_short_is_dropped_and_a_damaged_one_named(self):
        self.run_tasks(tasks(double, 1))
        whole = self.file.read_text()
        self.file.write_text(whole + '{"task": "ta')
        self.run_tasks([])
        self.assertEqual(self.file.read_text(), whole)

        self.file.write_text("{}\n" + whole)
        with self.assertRaisesRegex(errors.InputError, "line 1 is damaged"):
            self.run_tasks([])

    def test_processes_share_out_the_cores(self):
        mine = len(os.sched_getaffinity(0))

        found = self.run_tasks(tasks(double, 1, 2, 3), jobs=2)

        self.assertEqual([each["double"] for each in found], [2, 4, 6])
        for each in found:
            self.assertLessEqual(each["cores"], max(1, -(-mine // 2)))

    def test_a_failure_interrupts_the_others_and_begins_no_more(self):
        first, last = str(self.folder / "first"), str(self.folder / "last")

        with self.assertRaisesRegex(errors.InputError, "no such thing"):
            self.run_tasks(
                [
                    tasks_lib.Task("waits", wait, (first,)),
                    tasks_lib.Task("fails", fail_beside, (first,)),
                    tasks_lib.Task("never begins", wait, (last,)),
                ],
                jobs=2,
            )

        self.assertTrue(os.path.exists(f"{first} ended"))
        self.assertFalse(os.path.exists(f"{last} began"))

    def test_a_process_that_is_killed_is_told(self):
        with self.assertRaisesRegex(errors.InputError, "was killed"):
            self.run_tasks(tasks(die, 8, 9), jobs=2)


if __name__ == "__main__":
    absltest.main()
