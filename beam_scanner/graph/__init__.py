"""Computation graphs: nodes, how they are built, and what makes one valid."""
