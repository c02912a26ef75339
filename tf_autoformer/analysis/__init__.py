"""Pictures, the report on a search and the description of a subnet."""
