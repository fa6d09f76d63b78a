"""Admission of parties, their users, accounts, keys and roles."""
