"""AutoFormer: one-shot architecture search for vision transformers."""

import os

# Before TensorFlow is imported, which reads it once: else 2.15 prints lines of
# false alarm about CUDA, and a mistake's one clear line drowns in others.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
