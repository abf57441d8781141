"""A sample conversation of our own, so that a first try needs no data: three friends over half a year."""
