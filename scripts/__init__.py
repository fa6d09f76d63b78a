"""Brownie scripts: deploy a ledger, admit parties, show what is there. Run through `python3 -m tasks`."""
