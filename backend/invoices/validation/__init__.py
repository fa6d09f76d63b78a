"""Is the invoice right? Valid, invalid or not applicable, with the rules that ran and what they found."""
