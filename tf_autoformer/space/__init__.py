"""What can be searched and what it costs; pure Python."""
