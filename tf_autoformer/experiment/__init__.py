"""The experiment of a supernet, its working folder and its weights."""
