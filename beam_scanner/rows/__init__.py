"""Row arithmetic, in pure integers: sets and maps of rows, GOPs, samplers."""
