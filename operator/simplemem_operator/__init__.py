"""The operator: turns each MemoryStore into the objects that make it a running memory."""
