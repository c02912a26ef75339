"""Algorithm 1: training the supernet by entangled updates."""
