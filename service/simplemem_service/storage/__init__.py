"""The table of entries and turns: the only truth of a store; indices can be rebuilt from it."""
