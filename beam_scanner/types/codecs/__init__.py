"""How each element type becomes bytes, and a value in a Parquet column."""
