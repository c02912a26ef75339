"""Search spaces, architectures and their costs, in pure Python."""
