"""Clusters that run graphs: Flink on Kubernetes, and the machines under it."""
