"""Checkpoints of the official PyTorch code, in and out."""
