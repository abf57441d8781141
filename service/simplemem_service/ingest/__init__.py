"""From an accepted request to searchable entries: the journal and the one writer that works it off."""
