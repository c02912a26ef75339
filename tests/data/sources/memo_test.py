"""What is kept, on the disk and where TensorFlow has other files."""

import os
import pathlib

import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.data.sources import memo


class CacheTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    @parameterized.parameters("ram://bucket", "")
    def test_what_is_written_is_read_again(self, root):
        path = f"{root or self.folder}/new/folder/name.json"
        self.assertIsNone(memo.read(path))
        for content in (b"first", b"second\x00"):
            memo.write(path, content)
            self.assertEqual(memo.read(path), content)
        self.assertEqual(
            tf.io.gfile.listdir(os.path.dirname(path)), ["name.json"]
        )

    def test_a_place_that_cannot_be_written_is_no_failure(self):
        (self.folder / "file").write_text("content")
        path = str(self.folder / "file" / "below")
        with self.assertLogs(memo.__name__) as caught:
            memo.write(path, b"content")
        self.assertIn(f"{path} is not kept: ", caught.output[0])
        self.assertIsNone(memo.read(path))


if __name__ == "__main__":
    absltest.main()
