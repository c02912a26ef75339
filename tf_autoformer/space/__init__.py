"""Search spaces, architectures and their costs; pure Python."""
