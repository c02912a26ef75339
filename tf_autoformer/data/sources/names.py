"""Names of data sets and of their splits."""

import os
from typing import Literal

Split = Literal["train", "validation", "test"]

NAMES = (
    "digits",
    "imagenet2012",
    "cifar10",
    "cifar100",
    "oxford_flowers102",
    "cars196",
    "oxford_iiit_pet",
    "i_naturalist2018",
)
# File of an export with the names of its classes.
LABELS_FILE = os.path.join("assets.extra", "labels.json")
# File of an export with the fixed part of its network, and the pixels it knows.
NETWORK_FILE = os.path.join("assets.extra", "network.json")
# Prefix of the name of a data set that is a folder of images.
FOLDER = "folder:"


def of_folder(path: str) -> str:
    """The name of a folder of images as a data set, valid in any directory.

    Args:
      path: Path of the folder. ~ is expanded.
    """
    return FOLDER + os.path.abspath(os.path.expanduser(path))
