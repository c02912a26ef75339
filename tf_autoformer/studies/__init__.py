"""Studies: the paper's tables and figures on one's own supernets."""
