"""What travels in PCollections: keys, values, and what sinks report."""
