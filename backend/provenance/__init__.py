"""EPCIS capture and query, and the append-only log."""
