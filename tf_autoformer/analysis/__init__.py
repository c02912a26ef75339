"""Pictures, comparisons and reports."""
