"""Measures what code of any floor spends its time on, for whoever records it."""
