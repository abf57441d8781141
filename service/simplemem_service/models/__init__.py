"""Frozen records that travel between the layers; conversions only, no behaviour."""
