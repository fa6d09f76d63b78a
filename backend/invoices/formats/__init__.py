"""One module a syntax. Each has `parse`, from what was sniffed to an `Invoice`; none touches the network."""
