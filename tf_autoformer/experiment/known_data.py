"""Data sets as the supernet of a working folder sees them."""

import dataclasses
import os

from tf_autoformer import errors
from tf_autoformer.data.sources import datasets, names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.experiment import workdir as workdir_lib

_MOVED = "; if the folder has moved, --image_folder names its new place"


def source(
    workdir: workdir_lib.Workdir, data_dir: str | None = None
) -> source_lib.Source:
    """The classes and pixels that the supernet of a folder knows.

    The data set itself is asked only for a folder of the first versions.

    Args:
      workdir: Folder of the supernet.
      data_dir: Folder of prepared data sets. See `datasets.load`.

    Raises:
      InputError: The folder does not tell, and the data set has other classes
        now or does not exist.
    """
    if workdir.data_record is not None:
        return workdir.data_record.source
    experiment = workdir.experiment
    found = datasets.source(experiment.dataset, data_dir)
    _require_as_many(found, experiment.dataset, experiment.model.num_classes)
    return found


def load(
    workdir: workdir_lib.Workdir,
    name: str | None = None,
    data_dir: str | None = None,
    max_pixels: int | None = None,
) -> datasets.Dataset:
    """Loads a data set for the supernet of a folder. See `seen`.

    Args:
      workdir: Folder of the supernet.
      name: Name of the data set. None: the one that the supernet is for.
      data_dir: Folder of prepared data sets. See `datasets.load`.
      max_pixels: Largest number of pixels of an image. None: as in the data set
        that the supernet is for.

    Raises:
      InputError: See `datasets.load` and `seen`.
    """
    if name is None:
        name = workdir.experiment.dataset
    max_pixels = max_pixels or workdir.experiment.max_image_pixels
    try:
        before = datasets.source(name, data_dir)
        if not before.is_numbered:  # Else preparing may tell the names.
            # Now rather than after hours of preparing.
            _known(workdir, name, before)
        found = datasets.load(name, data_dir, max_pixels)
    except errors.InputError as error:
        is_own = name == workdir.experiment.dataset
        path = name.removeprefix(names.FOLDER)
        if is_own and name != path and not os.path.exists(path):
            raise errors.InputError(f"{error}{_MOVED}") from error
        raise
    return seen(workdir, name, found)


def seen(
    workdir: workdir_lib.Workdir, name: str, dataset: datasets.Dataset
) -> datasets.Dataset:
    """The data set with the classes and pixels that the supernet knows.

    Args:
      workdir: Folder of the supernet.
      name: Name of the data set.
      dataset: Data set.

    Raises:
      InputError: The supernet does not know a class of the data set. Classes
        are matched by name. Only of a folder of the first versions, which has
        no names, they are counted.
    """
    return dataset.seen_as(_known(workdir, name, dataset.source))


def _known(
    workdir: workdir_lib.Workdir, name: str, found: source_lib.Source
) -> source_lib.Source:
    """The source that the supernet knows, if it knows the classes. See `seen`.

    Args:
      workdir: Folder of the supernet.
      name: Name of a data set.
      found: Source of the data set.
    """
    record = workdir.data_record
    if record is None:
        _require_as_many(found, name, workdir.experiment.model.num_classes)
        return found
    known = record.source
    if name == workdir.experiment.dataset and known.is_numbered:
        # The names were not known before the data set was prepared.
        _require_as_many(found, name, known.num_classes)
        return dataclasses.replace(known, labels=found.labels)
    with errors.about(f"dataset {name}"):
        source_lib.positions(found.labels, known.labels)
    return known


def _require_as_many(
    found: source_lib.Source, name: str, num_classes: int
) -> None:
    if found.num_classes != num_classes:
        raise errors.InputError(
            f"dataset is {name!r} of {found.num_classes} classes; the "
            f"supernet has {num_classes}"
        )
