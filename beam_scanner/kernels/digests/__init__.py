"""Digests of code and data: equal for equal values, in every process."""
