"""Tallystick: a ledger for receivables finance and supply-chain provenance on any EVM chain.

Floors, from the top; a room imports only from floors below it (pyproject.toml, import-linter):
cli, app / console / verification, financing / receivables / invoices, provenance / parties /
chain, verifier / kit
"""
