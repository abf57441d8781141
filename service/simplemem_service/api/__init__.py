"""The HTTP API: parse, one call, respond."""
