"""Data sets that can be named, and the images of their splits."""
