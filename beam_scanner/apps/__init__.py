"""Programs that ship: graphs that the command runs by name."""
