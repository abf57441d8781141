"""Copies of a store in a bucket, and the way back."""
