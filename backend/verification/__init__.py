"""Gathers the evidence about a claim from the rooms below and the chain, and hands it to the verifier."""
