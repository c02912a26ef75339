r"""Asks a server about images, by TF Serving's REST API.

  python examples/rest_client.py http://localhost:8501/v1/models/classifier \
      photo.jpg other.png

It needs Python alone, and works with `tf_autoformer.serve`, TF Serving and
KServe's TensorFlow runtime.
"""

import base64
import json
import pathlib
import sys
import urllib.error
import urllib.request


def predict(url: str, contents: list[bytes]) -> list[dict]:
    """The answers to the contents of image files.

    Args:
      url: Address of the model.
      contents: Contents of the files.

    Returns:
      An object for each file. Its "errors" is empty if the file was read. Then
      "classes" is the likeliest class, and "probabilities" has all.

    Raises:
      RuntimeError: The server refuses the request. The message says why.
    """
    body = {
        "signature_name": "serving_bytes",
        "instances": [
            {"b64": base64.b64encode(each).decode()} for each in contents
        ],
    }
    request = urllib.request.Request(
        f"{url}:predict", json.dumps(body).encode()
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["error"]) from error


if __name__ == "__main__":
    url, *paths = sys.argv[1:]
    answers = predict(url, [pathlib.Path(path).read_bytes() for path in paths])
    for path, answer in zip(paths, answers, strict=True):
        probability = max(answer["probabilities"])
        text = answer["errors"] or f"{answer['classes']} {probability:.1%}"
        print(f"{path}: {text}")
