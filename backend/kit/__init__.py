"""What every room builds on: money, hashing, Merkle trees, ids, problems, database, settings, clock."""
