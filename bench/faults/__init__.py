"""A campaign of faults: a real ledger at work while everything under it is killed, cut, delayed and lied to.

    python -m bench.faults sqlite|postgresql

It goes on where it was cut off. At its end every operation that was accepted must stand on the chain once,
and the index must equal the chain, which a comparison finds out that shares no code with the backend.
"""
