"""The newest version is served, and requests keep the one that they began."""

import asyncio
import pathlib
import shutil
import threading
from unittest import mock

from absl.testing import absltest

from tf_autoformer import errors
from tf_autoformer.serving.server import (
    batching,
    model,
    request_error,
    versions,
)

LIMITS = batching.Limits(max_batch=4, timeout=0, max_queue=100)


class VersionsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.base = pathlib.Path(self.create_tempdir().full_path)
        self.held = threading.Event()
        self.held.set()

        self.loads = 0

        def load(folder):
            self.loads += 1
            if (folder / "saved_model.pb").read_text() == "damaged":
                raise errors.InputError("cannot load it")
            found = mock.Mock(version=int(folder.name))

            def answer(rows):
                self.held.wait(10)
                return [(found.version, row) for row in rows]

            found.signatures = {"serve": answer}
            return found

        self.enter_context(mock.patch.object(model, "Model", load))
        self.versions = versions.Versions(self.base, "name", LIMITS)

    def _put(self, version: int, content: str = "whole") -> None:
        (self.base / str(version)).mkdir(exist_ok=True)
        (self.base / str(version) / "saved_model.pb").write_text(content)

    async def _ask(self, row: int):
        with self.versions.request("name", None) as served:
            (answer,) = await served.answers("serve", [row])
            return answer

    def _states(self) -> dict[str, str]:
        found = self.versions.status("name", None)["model_version_status"]
        return {each["version"]: each["state"] for each in found}

    def test_the_largest_number_is_served(self):
        async def main():
            for name in ("notes", "10x", "03", ".4.partial"):
                (self.base / name).mkdir()
            (self.base / "30").mkdir()  # Nothing is in it yet.
            self._put(9)
            self._put(10)
            await self.versions.load_newest()
            self.assertEqual(await self._ask(1), (10, 1))
            self.assertEqual(self._states(), {"10": "AVAILABLE"})

        asyncio.run(asyncio.wait_for(main(), 30))

    def test_a_request_keeps_its_version_while_another_takes_over(self):
        async def main():
            before = asyncio.all_tasks()
            self._put(1)
            await self.versions.load_newest()
            self.held.clear()
            asked = asyncio.create_task(self._ask(5))
            await asyncio.sleep(0.05)
            self._put(2)
            await self.versions.load_newest()
            later = asyncio.create_task(self._ask(6))
            await asyncio.sleep(0.05)
            self.held.set()
            self.assertEqual(await asked, (1, 5))
            self.assertEqual(await later, (2, 6))
            self.assertEqual(self._states(), {"2": "AVAILABLE", "1": "END"})
            # Only the tasks of the second version are left.
            await asyncio.sleep(0.05)
            tasks = asyncio.all_tasks() - before
            self.assertEqual(tasks, {*self._workers()})

        asyncio.run(asyncio.wait_for(main(), 30))

    def _workers(self):
        (batcher,) = self.versions._served._batchers.values()
        return batcher._workers

    def test_a_damaged_version_is_told_and_tried_again(self):
        async def main():
            self._put(1)
            await self.versions.load_newest()
            self._put(2, "damaged")
            with self.assertLogs("tf_autoformer", "WARNING") as logs:
                await self.versions.load_newest()
            self.assertIn("cannot load it", logs.output[0])
            self.assertEqual(await self._ask(1), (1, 1))
            status = self.versions.status("name", 2)["model_version_status"][0]
            self.assertEqual(
                (status["state"], status["status"]["error_message"]),
                ("LOADING", "cannot load it"),
            )
            watch = asyncio.create_task(self.versions.watch(0.01))
            await asyncio.sleep(0.1)
            self.assertEqual(self.loads, 2)
            with self.assertLogs("tf_autoformer", "WARNING") as logs:
                shutil.rmtree(self.base)
                await asyncio.sleep(0.1)
            self.assertLen(logs.output, 1)
            self.assertEqual(await self._ask(1), (1, 1))
            self.base.mkdir()
            self._put(2)
            while await self._ask(1) != (2, 1):
                await asyncio.sleep(0.01)
            watch.cancel()

        asyncio.run(asyncio.wait_for(main(), 30))

    def test_the_newest_that_can_be_loaded_is_served(self):
        async def main():
            self._put(7, "damaged")
            with self.assertRaisesRegex(errors.InputError, "cannot load it"):
                await self.versions.load_newest()
            self._put(1)
            await self.versions.load_newest()
            self.assertEqual(await self._ask(1), (1, 1))
            self._put(2)
            await self.versions.load_newest()
            self.assertEqual(await self._ask(1), (2, 1))
            # One attempt for the damaged one.
            self.assertEqual(self.loads, 3)
            self._put(7)
            await self.versions.load_newest()
            self.assertEqual(await self._ask(1), (7, 1))

        asyncio.run(asyncio.wait_for(main(), 30))

    def test_a_served_version_whose_files_change_is_loaded_again(self):
        async def main():
            self._put(1)
            await self.versions.load_newest()
            (self.base / "1" / "labels.json").write_text("[]")
            (self.base / "1" / "nowhere").symlink_to(self.base / "gone")
            for _ in range(2):
                await self.versions.load_newest()
            self.assertEqual(self.loads, 2)
            self.assertEqual(await self._ask(1), (1, 1))
            self.assertEqual(self._states(), {"1": "AVAILABLE"})

        asyncio.run(asyncio.wait_for(main(), 30))

    def test_no_error_ends_the_watch(self):
        async def main():
            self._put(1)
            with mock.patch.object(
                self.versions, "load_newest", side_effect=ZeroDivisionError("x")
            ):
                watch = asyncio.create_task(self.versions.watch(0.01))
                with self.assertLogs("tf_autoformer", "WARNING") as logs:
                    await asyncio.sleep(0.1)
            self.assertLen(logs.output, 1)
            await asyncio.sleep(0.1)
            self.assertEqual(await self._ask(1), (1, 1))
            watch.cancel()

        asyncio.run(asyncio.wait_for(main(), 30))

    def test_other_models_and_versions_are_not_found(self):
        async def main():
            self._put(1)
            await self.versions.load_newest()
            for name, version, message in (
                ("other", None, r"for request: Latest\(other\)"),
                ("name", 2, r"for request: Specific\(name, 2\)"),
            ):
                with (
                    self.assertRaisesRegex(
                        request_error.RequestError, message
                    ) as caught,
                    self.versions.request(name, version),
                ):
                    pass
                self.assertEqual(caught.exception.status, 404)
                with self.assertRaisesRegex(
                    request_error.RequestError, "^Could not find "
                ):
                    self.versions.status(name, version)

        asyncio.run(asyncio.wait_for(main(), 30))

    def test_a_base_without_versions_is_refused(self):
        with self.assertRaisesRegex(errors.InputError, "holds no version"):
            asyncio.run(self.versions.load_newest())
        self.base.rmdir()
        with self.assertRaisesRegex(
            errors.InputError, "cannot read .*: No suc"
        ):
            asyncio.run(self.versions.load_newest())


if __name__ == "__main__":
    absltest.main()
