"""The load test would notice a lost, a wrong and a crossed answer."""

import dataclasses
import http.server
import json
import random
import threading
from unittest import mock

from absl.testing import absltest

from benchmarks import serve_load

ANSWERS = [
    serve_load.Answer(label, [0.5 + index / 8, 0.5 - index / 8], "")
    for index, label in enumerate("ab")
]


class ServeLoadTest(absltest.TestCase):
    def _end_of(self, status: int, answers) -> str:
        """What is found of a request for two images, answered so."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                self.rfile.read(int(self.headers["content-length"]))
                rows = [
                    {
                        "classes": each.label,
                        "probabilities": each.probabilities,
                        "errors": each.error,
                    }
                    for each in answers
                ]
                content = json.dumps({"predictions": rows}).encode()
                if status:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        load = serve_load.Load([b"a", b"b"], [ANSWERS, ANSWERS[::-1]], 1)
        address = mock.Mock(port=server.server_address[1])
        return load._send(address, [0, 1])[1]

    def test_each_end_of_a_request_is_told(self):
        a, b = ANSWERS
        almost = dataclasses.replace(b, probabilities=[0.625 + 1e-7, 0.375])
        wrong = dataclasses.replace(b, probabilities=[0.63, 0.37])
        for status, answers, outcome in (
            (200, [a, almost], "answered by version 1"),
            (200, [b, a], "answered by version 2"),
            (200, [a, a], "wrong"),
            (200, [a, wrong], "wrong"),
            (200, [a], "wrong"),
            (503, [], "with status 503"),
            (0, [], "lost (RemoteDisconnected("),
        ):
            with self.subTest(outcome):
                self.assertStartsWith(self._end_of(status, answers), outcome)

    def test_answers_that_could_be_confused_are_refused(self):
        serve_load.require_distinct([ANSWERS])
        with self.assertRaises(AssertionError):
            serve_load.require_distinct([ANSWERS, ANSWERS])

    def test_requests_have_the_share_of_broken_images(self):
        options = serve_load.Options(requests=1_000, swap_requests=500)
        found = list(serve_load.requests(options, random.Random(0), 60, 12))
        self.assertLen(found, 1_500)
        self.assertEqual({len(each) for each in found}, {1, 4})
        numbers = [number for each in found for number in each]
        self.assertEqual((min(numbers), max(numbers)), (0, 71))
        broken = sum(number >= 60 for number in numbers) / len(numbers)
        self.assertAlmostEqual(broken, 0.05, delta=0.015)


if __name__ == "__main__":
    absltest.main()
