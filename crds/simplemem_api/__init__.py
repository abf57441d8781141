"""What a MemoryStore is, what its tier makes of it and what it costs.

Pure, and shared by operator, service and command line.
"""
