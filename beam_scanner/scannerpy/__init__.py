"""Scanner's API: the client, tables, and the configuration."""
