"""Latency of deployed subnets: measured, predicted and bounded."""
