"""Subnets as SavedModels."""
