"""Frozen records that travel through a pass."""
