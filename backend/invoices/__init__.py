"""Invoice formats in, their identity, and the fingerprint of each."""
