"""May the invoice be financed? Rules of practice as data (rules.toml), with profiles and sources."""
