"""Compress, synthesize, retrieve: what becomes of a conversation and how it is found again."""
