"""The SimpleMem memory service: compress, synthesize and retrieve, behind one HTTP API."""
