"""Describes an architecture: parameters, MACs by part, a picture; no weights.

python -m tf_autoformer.describe --architecture=FILE.json --search_space=small
"""

from tf_autoformer import binary, command_line, config, files
from tf_autoformer.analysis import description, pictures


def main() -> None:
    """Prints the description and draws the picture."""
    model, space = config.described()
    architecture, path = config.architecture(), config.picture()
    for line in description.lines(architecture, model, space):
        print(line)
    if path is not None:
        drawing = pictures.architecture(architecture, model)
        files.write_bytes(path, pictures.png(drawing))
        print(f"picture: {path}")


if __name__ == "__main__":
    binary.run(main, command_line.define_describe)
