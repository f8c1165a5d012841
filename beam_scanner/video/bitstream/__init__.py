"""What packets say in their first bytes, codec by codec."""
