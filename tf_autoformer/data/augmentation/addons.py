"""The one import of tensorflow-addons."""

import warnings

with warnings.catch_warnings():
    # It announces that this release is the last.
    warnings.simplefilter("ignore")
    import tensorflow_addons as tfa

image = tfa.image
