"""Files and folders are whole or absent, whatever goes wrong."""

import contextlib
import errno
import fcntl
import importlib.util
import os
import pathlib
import resource
import subprocess
import sys
from unittest import mock

from absl.testing import absltest, parameterized

from tf_autoformer import errors, files


@contextlib.contextmanager
def _file_size_limit(size: int):
    """Makes the system refuse to write further, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class FilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _names(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def test_what_is_written_is_read_again(self):
        path = self.folder / "new" / "folders" / "value.json"
        value = {"name": "é", "list": [1, 2.5, None]}
        files.write_json(path, value)
        self.assertEqual(files.read_json(path), value)
        files.write_text(path, "é")
        self.assertEqual(path.read_bytes(), "é".encode())

    def test_a_failure_in_the_middle_of_writing_leaves_the_old_file(self):
        path = self.folder / "file"
        files.write_bytes(path, b"old")
        with (
            self.assertRaisesRegex(
                errors.InputError, f"cannot write to {self.folder}: "
            ),
            _file_size_limit(1_000),
        ):
            files.write_bytes(path, b"new" * 1_000)
        self.assertEqual(path.read_bytes(), b"old")
        self.assertEqual(self._names(), ["file"])

    def test_a_failure_to_replace_leaves_no_partial_file(self):
        (self.folder / "taken").mkdir()
        with self.assertRaisesRegex(errors.InputError, "cannot write to"):
            files.write_bytes(self.folder / "taken", b"new")
        self.assertEqual(self._names(), ["taken"])

    def test_replacing_does_not_change_what_a_reader_has_open(self):
        path = self.folder / "file"
        files.write_bytes(path, b"old")
        with path.open("rb") as reader:
            files.write_bytes(path, b"new")
            self.assertEqual(reader.read(), b"old")
        self.assertEqual(path.read_bytes(), b"new")

    def test_a_byte_order_mark_is_no_part_of_the_json(self):
        path = self.folder / "marked.json"
        path.write_bytes(b'\xef\xbb\xbf{"name": "\xc3\xa9"}')
        self.assertEqual(files.read_json(path), {"name": "é"})

    @parameterized.parameters(
        b"{",
        b"",
        b"\xff\xfe{}",
        b"\xff",
        b"NaN",
        b'{"a": Infinity}',
        b"[-Infinity]",
        b"[1e999]",
        b"[" * 100_000 + b"]" * 100_000,
        b"1" * 10_000,
    )
    def test_a_file_that_is_not_json_is_named(self, content):
        path = self.folder / "broken.json"
        path.write_bytes(content)
        with self.assertRaisesRegex(
            errors.InputError, "broken.json is not JSON: "
        ):
            files.read_json(path)

    def test_a_missing_json_file_is_named(self):
        with self.assertRaisesRegex(
            errors.InputError, "cannot read .*none.json: No such file"
        ):
            files.read_json(self.folder / "none.json")

    def test_require_writable_makes_the_folder_and_leaves_it_empty(self):
        folder = self.folder / "a" / "b"
        files.require_writable(folder)
        self.assertEmpty(os.listdir(folder))

    @parameterized.parameters("file", "file/below", "file/far/below")
    def test_nothing_can_be_written_where_a_file_is(self, below):
        (self.folder / "file").write_bytes(b"content")
        path = self.folder / below
        message = f"cannot write to {path}: "
        with self.assertRaisesRegex(errors.InputError, message):
            files.require_writable(path)
        with self.assertRaisesRegex(errors.InputError, message):
            files.write_bytes(path / "other", b"")
        with (
            self.assertRaisesRegex(
                errors.InputError, f"cannot write to {path / 'other'}: "
            ),
            files.new_folder(path / "other"),
        ):
            self.fail("the body must not run")
        self.assertEqual((self.folder / "file").read_bytes(), b"content")
        self.assertEqual(self._names(), ["file"])

    def test_a_new_folder_appears_only_when_it_is_filled(self):
        path = self.folder / "made" / "new"
        with files.new_folder(path) as partial:
            (partial / "file").write_bytes(b"content")
            self.assertFalse(path.exists())
        self.assertEqual((path / "file").read_bytes(), b"content")
        self.assertEqual(os.listdir(path.parent), ["new"])

    @parameterized.parameters(
        (RuntimeError, RuntimeError),
        (KeyboardInterrupt, KeyboardInterrupt),
        (OSError, errors.InputError),
    )
    def test_a_failure_while_filling_a_new_folder_leaves_nothing(
        self, raised, seen
    ):
        with (
            self.assertRaises(seen),
            files.new_folder(self.folder / "new") as partial,
        ):
            (partial / "file").write_bytes(b"content")
            raise raised("failed")
        self.assertEmpty(self._names())

    def test_an_existing_folder_is_not_replaced(self):
        path = self.folder / "there"
        path.mkdir()
        (path / "file").write_bytes(b"content")
        with (
            self.assertRaisesRegex(
                errors.InputError, "there exists already; it is not replaced"
            ),
            files.new_folder(path),
        ):
            self.fail("the body must not run")
        self.assertEqual((path / "file").read_bytes(), b"content")
        self.assertEqual(self._names(), ["there"])

    def test_an_empty_folder_is_filled(self):
        path = self.folder / "empty"
        path.mkdir()
        with files.new_folder(path) as partial:
            (partial / "file").write_bytes(b"content")
            self.assertEmpty(os.listdir(path))
        self.assertEqual((path / "file").read_bytes(), b"content")
        self.assertEqual(self._names(), ["empty"])

    def test_a_failure_leaves_an_empty_folder_empty(self):
        path = self.folder / "empty"
        path.mkdir()
        with (
            self.assertRaises(RuntimeError),
            files.new_folder(path) as partial,
        ):
            (partial / "file").write_bytes(b"content")
            raise RuntimeError("failed")
        self.assertEmpty(os.listdir(path))
        self.assertEqual(self._names(), ["empty"])

    def test_what_is_absent_or_an_empty_folder_is_new(self):
        (self.folder / "empty").mkdir()
        for name in ("absent", "absent/below", "empty"):
            files.require_new(self.folder / name)
        self.assertEqual(self._names(), ["empty"])

    def test_a_file_or_a_folder_with_content_is_not_new(self):
        (self.folder / "file").touch()
        (self.folder / "full" / "below").mkdir(parents=True)
        for name in ("file", "full"):
            path = self.folder / name
            with self.assertRaisesRegex(
                errors.InputError, f"{path} exists already; it is not replaced"
            ):
                files.require_new(path)


# Holds the lock of the folder in its argument, says so and does the rest.
_HOLD = """
import os, sys, time
from tf_autoformer import files
with files.lock(sys.argv[1]):
    print("locked", flush=True)
    %s
"""


class LockTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def hold(self, rest: str) -> subprocess.Popen:
        """Starts a process that locks the folder."""
        process = subprocess.Popen(
            [sys.executable, "-c", _HOLD % rest, self.folder],
            cwd=pathlib.Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "locked\n")
        return process

    def check_locked_by(self, holder: object) -> None:
        with (
            self.assertRaisesRegex(
                errors.InputError,
                f"^{self.folder} is in use by process {holder}; wait for it to "
                "end, or use another folder$",
            ),
            files.lock(self.folder),
        ):
            self.fail("the body must not run")

    def check_free(self) -> None:
        with self.assertNoLogs("tf_autoformer"), files.lock(self.folder):
            pass

    def test_another_process_is_refused_and_told_of_the_first(self):
        process = self.hold("time.sleep(1000)")

        self.check_locked_by(process.pid)

        process.kill()  # As a crash of the machine would.
        process.wait()
        self.check_free()

    def test_a_program_that_replaces_the_process_does_not_keep_it(self):
        program = "import time; print(1, flush=True); time.sleep(1000)"
        process = self.hold(
            f"os.execv(sys.executable, [sys.executable, '-c', {program!r}])"
        )
        self.assertEqual(process.stdout.readline(), "1\n")
        self.assertIsNone(process.poll())

        self.check_free()

    def test_it_ends_with_the_body_and_leaves_no_name(self):
        for _ in range(2):
            with files.lock(self.folder):
                self.check_locked_by(os.getpid())
        with self.assertRaises(RuntimeError), files.lock(self.folder):
            raise RuntimeError
        self.check_free()
        self.assertEqual((self.folder / ".lock").read_bytes(), b"")

    def test_whatever_the_file_holds_another_process_is_refused(self):
        for content, shown in ((b"", "unknown"), (b"\xff", "\ufffd")):
            with files.lock(self.folder):
                (self.folder / ".lock").write_bytes(content)
                self.check_locked_by(shown)

    def test_on_a_system_without_locks_there_is_a_warning(self):
        with mock.patch.dict(sys.modules, {"fcntl": None}):
            spec = importlib.util.find_spec("tf_autoformer.files")
            imported = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(imported)
        with (
            self.assertLogs("tf_autoformer", "WARNING") as caught,
            imported.lock(self.folder),
        ):
            (line,) = caught.output
        self.assertIn("cannot lock", line)

    def test_where_there_are_no_locks_there_is_a_warning(self):
        for number in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            failure = OSError(number, os.strerror(number))
            with (
                self.subTest(os.strerror(number)),
                mock.patch.object(fcntl, "flock", side_effect=failure),
                self.assertLogs("tf_autoformer", "WARNING") as caught,
                files.lock(self.folder),
            ):
                (record,) = caught.records
                self.assertRegex(
                    record.getMessage(),
                    f"^cannot lock {self.folder}: {os.strerror(number)}; ",
                )

    def test_a_file_that_cannot_be_opened_is_a_warning(self):
        (self.folder / ".lock").mkdir()
        ran = False
        with (
            self.assertLogs("tf_autoformer", "WARNING"),
            files.lock(self.folder),
        ):
            ran = True
        self.assertTrue(ran)

    def test_a_folder_that_cannot_be_written_is_an_input_error(self):
        (self.folder / "file").touch()
        with (
            self.assertRaisesRegex(errors.InputError, "cannot write to"),
            files.lock(self.folder / "file"),
        ):
            self.fail("the body must not run")


if __name__ == "__main__":
    absltest.main()
