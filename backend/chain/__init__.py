"""The way to the chain and back: RPC, contracts, signer, outbox, sender, indexer, proofs."""
