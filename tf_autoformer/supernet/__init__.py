"""The supernet, its elastic layers, and the standalone subnet."""
