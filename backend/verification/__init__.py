"""Gathers evidence into the report and the bundle a bank checks again."""
