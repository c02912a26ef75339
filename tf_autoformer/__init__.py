"""AutoFormer: one-shot architecture search for vision transformers."""

__version__ = "0.1.0"
