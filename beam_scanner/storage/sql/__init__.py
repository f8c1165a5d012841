"""Tables of SQL databases: how they are opened, read and written."""
