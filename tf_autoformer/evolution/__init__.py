"""Algorithm 2: evolution search over the trained supernet."""
