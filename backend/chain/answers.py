"""What nodes mean by what they say: the table of answers to `eth_sendRawTransaction`, by client and vendor.

JSON-RPC gives these cases no codes of their own, so every project that sends transactions has to know the
texts. They are matched in lower case, the first that fits counts, and what fits none is UNCLEAR, which is
always safe: the same signed bytes are sent again later.
"""

import re
from enum import StrEnum


class Answer(StrEnum):
    """What a node made of a signed transaction, and so what to do."""

    ACCEPTED = "accepted"
    KNOWN = "known"  # it has these very bytes: as good as accepted
    NONCE_TOO_LOW = "nonce-too-low"  # the nonce is used: look whether by one of ours
    NONCE_GAP = "nonce-gap"  # one before it is missing: send those again first
    REPLACEMENT_UNDERPRICED = (
        "replacement-underpriced"  # another one holds the nonce and this pays too little more
    )
    FEE_TOO_LOW = "fee-too-low"  # sign anew with more
    INSUFFICIENT_FUNDS = "insufficient-funds"  # a person must act; the same bytes will do afterwards
    NEVER = "never"  # no node will ever take these bytes: give the nonce to a transaction that does nothing
    BUSY = "busy"  # rate limit or full pool: the same bytes, later
    UNCLEAR = "unclear"  # it may or may not have been taken: the same bytes, later


_TABLE: dict[Answer, tuple[str, ...]] = {
    Answer.KNOWN: (
        r"already known",  # Geth, Besu, Erigon
        r"known transaction",  # Besu, Geth before 1.10
        r"already ?imported",  # Anvil, OpenEthereum
        r"alreadyknown",  # Nethermind
        r"duplicate_?hash|existing tx with same hash",  # Erigon
        r"already (exists|in the (tx)?pool|present|submitted)|tx already in mempool",  # vendors
    ),
    Answer.REPLACEMENT_UNDERPRICED: (
        r"replacement.*(underpriced|too low)",  # Geth, Anvil, Besu, Ganache
        r"replacementnotallowed",  # Nethermind
        r"could not replace|replace existing",  # Erigon
        r"another transaction with same nonce",  # OpenEthereum
    ),
    Answer.NONCE_TOO_LOW: (
        r"nonce.{0,12}too low",  # Geth, Anvil, Besu
        r"nonce_too_low",  # Erigon
        r"oldnonce",  # Nethermind
        r"nonce has already been used|nonce is below",  # vendors
    ),
    Answer.NONCE_GAP: (
        r"nonce.{0,12}too (high|far)",  # Geth, vendors
        r"nonce.*distant",  # Besu, Erigon
        r"nonce_?gap|noncetoofar|gapped|future nonce",  # Nethermind, Geth's blob pool
    ),
    Answer.INSUFFICIENT_FUNDS: (
        r"insufficient[ _]?(funds|balance)",  # Geth, Anvil, Nethermind, Erigon
        r"upfront cost exceeds",  # Besu
        r"enough funds",  # Ganache
    ),
    Answer.FEE_TOO_LOW: (
        r"fee (per gas|cap).{0,12}(less|lower|below)",  # Geth, Anvil, Erigon
        r"base fee exceeds|less than (the )?block base ?fee",  # Ganache
        r"underpriced",  # Geth
        r"fee_?too_?low",  # Nethermind
        r"gas ?price.*(below|too low|less than)",  # Besu, OpenEthereum
        r"tip.*(below|too low)",  # Geth, Erigon
    ),
    Answer.NEVER: (
        r"intrinsic gas",  # all
        r"exceeds (the )?(current )?block gas limit|gaslimitexceeded|gas limit (is )?too high",  # all
        r"oversized|max initcode",  # Geth
        r"invalid (sender|signature|transaction|chain ?id)",  # all
        r"wrong chain|chain ?id.*mismatch|replay-protected",  # Nethermind, vendors, Geth
        r"exceeds the configured cap",  # Geth
        r"rlp|failed to decode|could not decode",  # all
    ),
    Answer.BUSY: (
        r"pool.{0,6}(is )?(full|overflow)",  # Geth, Erigon, Besu
        r"account ?limit|too many pending|queue ?full",  # Geth, Nethermind
        r"rate.?limit|too many requests|request (count|limit)|throttl|quota",  # vendors
        r"capacity",  # Alchemy
    ),
}
_PATTERNS = [
    (answer, re.compile(pattern, re.DOTALL)) for answer, patterns in _TABLE.items() for pattern in patterns
]

# Ganache gives both numbers and one text for two cases.
_GANACHE_NONCE = re.compile(r"account has nonce of: ?(\d+).*tx has nonce of: ?(\d+)", re.DOTALL)
# Vendors' codes for their limits: -32005 Infura, -32007 and -32029 QuickNode and others; 429 in a body.
_BUSY_CODES = {-32005, -32007, -32029, 429}


def classify(code: int, message: str) -> Answer:
    """What a JSON-RPC error to a send means."""
    said = message.lower()
    if (numbers := _GANACHE_NONCE.search(said)) is not None:
        return Answer.NONCE_TOO_LOW if int(numbers[2]) < int(numbers[1]) else Answer.NONCE_GAP
    for answer, pattern in _PATTERNS:
        if pattern.search(said):
            return answer
    return Answer.BUSY if code in _BUSY_CODES else Answer.UNCLEAR
