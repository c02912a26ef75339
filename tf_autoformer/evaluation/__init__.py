"""How good subnets are: accuracy of one and of many, standalone models."""
