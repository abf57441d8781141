"""Spares repeated work: vectors and search results, in this process and in Redis."""
