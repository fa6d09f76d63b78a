"""The append-only log of events: tiles, appending, proofs, the map of identifiers, heads and checkpoints."""
