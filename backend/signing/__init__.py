"""The local signer: a party's keys on the party's machine, and the words of what they sign."""
