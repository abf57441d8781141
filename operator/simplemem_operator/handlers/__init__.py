"""The only importers of kopf: they parse an event and make one call."""
