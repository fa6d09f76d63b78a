"""The fingerprints of an invoice, with the proof that it can have no other (RFC 9381).

One for each active key of the ledger and each identifier the seller is admitted under, the first key and the
tax number first: together they are what the debtor's signature takes on the chain, or none of them is.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import codec, identity, matching, repository
from backend.invoices.problems import FingerprintKeyMissing
from backend.invoices.secrets import Secrets
from backend.invoices.tables import InvoiceRecord
from backend.kit import vrf


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A fingerprint (0x-hex, 32 bytes), the public key, the text it is made over, and the 80-byte proof."""

    value: str
    key: str
    identity: str
    proof: str


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """All fingerprints of an invoice, under the key set that is active on the chain."""

    key_set: int
    items: tuple[Fingerprint, ...]


async def of(session: AsyncSession, secrets: Secrets, record: InvoiceRecord) -> Fingerprints:
    """Raises FingerprintKeyMissing when the chain names no key yet, or one this server has not."""
    current = await repository.current_key_set(session, record.ledger_id)
    if current is None:
        raise FingerprintKeyMissing()
    seller = await matching.admitted(session, record.ledger_id, record.party_id)
    texts = identity.identities(codec.load(record.fields), seller.identifiers)
    items = []
    for key in current.keys:
        secret = secrets.fingerprint.get(bytes.fromhex(key[2:]))
        if secret is None:
            raise FingerprintKeyMissing()
        for text in texts:
            proof = vrf.prove(secret, text.encode())
            value = vrf.fingerprint(vrf.output(proof))
            items.append(Fingerprint("0x" + value.hex(), key, text, "0x" + proof.hex()))
    return Fingerprints(key_set=current.key_set, items=tuple(items))
