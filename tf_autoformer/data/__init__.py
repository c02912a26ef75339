"""Data sets, their splits, and the pipelines that feed the networks."""
