"""Comparisons with the official PyTorch code and with ONNX Runtime."""
