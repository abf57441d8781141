"""Pages of docs/reference, written from the code; a module for each source."""
