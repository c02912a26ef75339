"""The server as clients meet it: documented requests, load, and signals."""

import base64
import collections
import concurrent.futures
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest
from google.protobuf import json_format
from PIL import Image
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
)

from tests.helpers import commands, options, processes, shared
from tf_autoformer import errors, serve
from tf_autoformer.serving.server import batching, running

DOCUMENT = commands.ROOT / "docs" / "serving.md"
CLIENT = commands.ROOT / "examples" / "rest_client.py"
PREDICT = "/v1/models/classifier:predict"


def photo(seed: int) -> bytes:
    """A picture of its own for each seed, as PNG."""
    colors = np.random.default_rng(seed).integers(0, 256, [4, 4, 3], np.uint8)
    content = io.BytesIO()
    size = (8 + seed, 40 - seed)
    Image.fromarray(colors).resize(size).save(content, "PNG")
    return content.getvalue()


def direct(version: int, contents: list[bytes]) -> list[dict]:
    """What the export itself answers."""
    export = shared.exported() / str(version)
    signature = tf.saved_model.load(str(export)).signatures["serving_bytes"]
    found = signature(image_bytes=tf.constant(contents))
    return [
        {
            "classes": label.decode(),
            "probabilities": probabilities,
            "errors": reason.decode(),
        }
        for label, probabilities, reason in zip(
            found["classes"].numpy(),
            found["probabilities"].numpy(),
            found["errors"].numpy(),
            strict=True,
        )
    ]


def agree(found: dict, expected: dict) -> bool:
    return all(
        found[name] == expected[name] for name in ("classes", "errors")
    ) and np.allclose(
        found["probabilities"], expected["probabilities"], atol=1e-5
    )


def start(base: pathlib.Path, port: int = 0) -> tuple[processes.Process, int]:
    """Starts a server, and returns it with its port once it listens."""
    process = processes.start(
        "serve",
        *(f"--model_base={base}", f"--port={port}"),
        *("--poll_seconds=0.05", "--max_body_mib=1"),
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/v1/models/cl", line):
            return process, int(found[1])
    raise AssertionError("".join(lines))


def send(port: int, method: str, path: str, body=None) -> tuple[int, bytes]:
    """Status and content of the response to one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def instances(*contents: bytes) -> str:
    """The body of a request in the row format."""
    rows = [{"b64": base64.b64encode(each).decode()} for each in contents]
    return json.dumps({"signature_name": "serving_bytes", "instances": rows})


class ApiTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (cls.folder / "photo.jpg").write_bytes(photo(1))
        shutil.copytree(shared.exported() / "1", cls.folder / "base" / "1")
        process, cls.port = start(cls.folder / "base")
        cls.addClassCleanup(process.kill)
        (cls.expected,) = direct(1, [photo(1)])

    def _get(self, path: str) -> dict:
        status, content = send(self.port, "GET", path)
        self.assertEqual(status, 200, content)
        return json.loads(content)

    def test_the_documented_requests_are_answered(self):
        lines = [
            line.strip().replace("localhost:8501", f"127.0.0.1:{self.port}")
            for line in DOCUMENT.read_text().splitlines()
            if re.match(r"    .*curl ", line)
        ]
        self.assertLen(lines, 7)
        predicted = 0
        for line in lines:
            found = subprocess.run(
                ["bash", "-c", line.replace("curl ", "curl -sS ")],
                cwd=self.folder,
                capture_output=True,
                check=True,
            )
            answer = json.loads(found.stdout)
            self.assertNotIn("error", answer)
            if "predictions" in answer:
                (row,) = answer["predictions"]
            elif "outputs" in answer:
                outputs = answer["outputs"].items()
                row = {name: value[0] for name, value in outputs}
            else:
                continue
            predicted += 1
            self.assertTrue(agree(row, self.expected), row)
        self.assertEqual(predicted, 2)

    def test_status_and_metadata_are_tf_servings_messages(self):
        for path in ("", "/versions/1"):
            status = json_format.ParseDict(
                self._get(f"/v1/models/classifier{path}"),
                get_model_status_pb2.GetModelStatusResponse(),
            )
            (version,) = status.model_version_status
            self.assertEqual(version.version, 1)
            self.assertEqual(version.state, version.AVAILABLE)
        found = self._get("/v1/models/classifier/metadata")
        self.assertEqual(found["model_spec"]["version"], "1")
        described = json_format.ParseDict(
            found["metadata"]["signature_def"],
            get_model_metadata_pb2.SignatureDefMap(),
        ).signature_def["serving_bytes"]
        self.assertEqual(list(described.inputs), ["image_bytes"])
        self.assertCountEqual(
            described.outputs, ["classes", "errors", "logits", "probabilities"]
        )

    def test_pixels_are_answered_by_the_default_signature(self):
        pixels = np.random.default_rng(0).uniform(size=[2, 8, 8, 3])
        export = tf.saved_model.load(str(shared.exported() / "1"))
        expected = export.signatures["serving_default"](
            images=tf.constant(pixels, tf.float32)
        )
        body = json.dumps({"instances": pixels.tolist()})
        _, content = send(self.port, "POST", PREDICT, body)
        rows = json.loads(content)["predictions"]
        np.testing.assert_allclose(
            [row["probabilities"] for row in rows],
            expected["probabilities"],
            atol=1e-5,
        )

    def test_the_page_and_its_requests_are_answered(self):
        status, page = send(self.port, "GET", "/")
        self.assertEqual(status, 200)
        self.assertIn(b"fetch(url, options)", page)
        found = self._get("/labels.json")
        self.assertEqual(
            found,
            {
                "model": "classifier",
                "version": 1,
                "labels": [str(digit) for digit in range(10)],
            },
        )

    def test_errors_have_tf_servings_form(self):
        post, get = "POST", "GET"
        for method, path, body, status, message in (
            (get, "/v1/models/x", None, 404, "any versions of model x"),
            (get, "/v1/models/classifier/versions/9", None, 404, "version 9"),
            (get, "/v1/models/x/metadata", None, 404, "Servable not found"),
            (post, "/v1/models/x:predict", "{}", 404, r"request: Latest\(x\)"),
            (
                *(post, "/v1/models/classifier/versions/9:predict", "{}"),
                *(404, r"request: Specific\(classifier, 9\)"),
            ),
            (post, PREDICT, "{", 400, "JSON Parse error"),
            (post, PREDICT, '{"instances": [1]}', 400, "Expecting shape"),
            (post, PREDICT, "x" * (2**20 + 1), 413, "more than 1048576 bytes"),
            (
                post,
                "/v1/models/classifier:classify",
                "{}",
                400,
                "Expected clas",
            ),
            (get, "/v1/nothing", None, 400, "Malformed request: GET /v1/noth"),
            (get, "/nothing", None, 404, "Malformed request: GET /nothing"),
            ("DELETE", "/v1/models/classifier", None, 405, "Malformed request"),
        ):
            with self.subTest(f"{method} {path}"):
                found, content = send(self.port, method, path, body)
                self.assertEqual(found, status, content)
                answer = json.loads(content)
                self.assertEqual(list(answer), ["error"])
                self.assertRegex(answer["error"], message)

    def test_the_example_asks_about_files(self):
        (self.folder / "bad.png").write_bytes(b"no image")
        url = f"http://127.0.0.1:{self.port}/v1/models/classifier"
        paths = ["photo.jpg", "bad.png"]
        found = subprocess.run(
            [sys.executable, CLIENT, url, *paths],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        probability = self.expected["probabilities"].max()
        self.assertEqual(
            found.stdout,
            f"photo.jpg: {self.expected['classes']} {probability:.1%}\n"
            "bad.png: not a JPEG, PNG, GIF or BMP\n",
        )


class LifeTest(absltest.TestCase):
    def test_no_request_is_lost_or_crossed_by_load_and_versions(self):
        base = pathlib.Path(self.create_tempdir().full_path) / "base"
        shutil.copytree(shared.exported() / "1", base / "1")
        contents = [photo(seed) for seed in range(1, 13)]
        contents[5] = contents[6][:50]
        known = [direct(version, contents) for version in (1, 2)]
        process, port = start(base)
        self.addCleanup(process.kill)
        done = collections.Counter()

        def ask(number: int) -> None:
            picked = [number % 12, (number * 5 + 1) % 12]
            body = instances(*(contents[i] for i in picked))
            status, content = send(port, "POST", PREDICT, body)
            self.assertEqual(status, 200, content)
            found = json.loads(content)["predictions"]
            (version,) = (
                version
                for version, answers in enumerate(known, 1)
                if all(
                    agree(row, answers[i])
                    for row, i in zip(found, picked, strict=True)
                )
            )
            done[version] += 1

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(48)))
            self.assertEqual(done, {1: 48})
            partial = base / "partial"
            shutil.copytree(shared.exported() / "2", partial)
            os.rename(partial, base / "2")
            end = time.monotonic() + 60
            while done[2] < 16 and time.monotonic() < end:
                list(pool.map(ask, range(16)))
        self.assertGreaterEqual(done[2], 16)

        process.kill()
        process.communicate()
        process, again = start(base, port)
        self.addCleanup(process.kill)
        self.assertEqual(again, port)
        # A signal in the middle of a request that takes a while.
        body = instances(*contents * 40)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(send, port, "POST", PREDICT, body)
            for _ in range(5):  # By then the server has read it.
                send(port, "GET", "/health")
            code, err = commands.stop(process, signal.SIGTERM)
            status, content = asked.result()
        self.assertEqual(code, 128 + signal.SIGTERM, err)
        self.assertNotIn("Traceback", err)
        self.assertEqual(status, 200)
        for number, row in enumerate(json.loads(content)["predictions"]):
            self.assertTrue(agree(row, known[1][number % 12]))


class OptionsTest(absltest.TestCase):
    def test_the_server_is_what_the_flags_say(self):
        found = options.parse(
            serve.Options,
            *("--model_base=exports", "--name=me", "--host=0.0.0.0"),
            *("--port=80", "--max_batch=3", "--batch_timeout_ms=1.5"),
            *("--max_queue=7", "--max_body_mib=2", "--poll_seconds=0.5"),
        )
        with mock.patch.object(running, "run") as run:
            serve.main(found)
        run.assert_called_once_with(
            pathlib.Path("exports"),
            "me",
            ("0.0.0.0", 80),
            batching.Limits(3, 0.0015, 7),
            2 * 2**20,
            0.5,
        )

    def test_what_is_not_installed_is_told(self):
        found = options.parse(serve.Options, "--model_base=x")
        with (
            mock.patch.dict(sys.modules, uvicorn=None),
            self.assertRaisesRegex(
                errors.InputError, r"pip install '\.\[serve\]'"
            ),
        ):
            serve.main(found)

    def test_a_mistake_is_told(self):
        with self.assertRaisesRegex(errors.InputError, "name is 'a/b'"):
            options.parse(serve.Options, "--model_base=x", "--name=a/b")
        folder = self.create_tempdir().full_path
        found = options.parse(
            serve.Options, f"--model_base={folder}", "--port=0"
        )
        with self.assertRaisesRegex(errors.InputError, "holds no version"):
            serve.main(found)


if __name__ == "__main__":
    absltest.main()
