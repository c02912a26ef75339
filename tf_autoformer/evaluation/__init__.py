"""Accuracy of one subnet and of many, and figures of standalone models."""
