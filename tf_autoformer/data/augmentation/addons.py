"""The one import of tensorflow-addons."""

import warnings

with warnings.catch_warnings():
    # The announcement that this release is the last.
    warnings.simplefilter("ignore")
    import tensorflow_addons as tfa

image = tfa.image
