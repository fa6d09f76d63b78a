"""What a bundle holds, as values. Nothing here is believed: checks decide what it proves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from backend.kit.disclosure import Disclosure
from backend.kit.sparse import MapProof
from backend.verifier.header import Header
from backend.verifier.leaf import Leaf
from backend.verifier.ledger import Head, Ledger
from backend.verifier.logmap import Entry, Identifier
from backend.verifier.terms import Terms


@dataclass(frozen=True)
class Confirmation:
    """The debtor's signature, and the second signer's where there is one."""

    signer: bytes
    nonce: int
    deadline: int
    signature: bytes
    cosignature: bytes = b""
    replaced: bytes | None = None


@dataclass(frozen=True)
class Fingerprint:
    """A fingerprint with its proof: `identity` is the VRF's input, `key` its public key (RFC 9381)."""

    key: bytes
    identity: str
    proof: bytes


@dataclass(frozen=True)
class Capture:
    """A document of events exactly as received, and its recorder's signature if it has one."""

    body: bytes
    salt: bytes
    account: bytes
    signature: bytes = b""
    jwk: Mapping[str, str] | None = None


@dataclass(frozen=True)
class RecordedEvent:
    """An event with its leaf and the leaf's audit path (RFC 6962 section 2.1.1)."""

    leaf: Leaf
    path: tuple[bytes, ...]
    capture: int
    """Which of the captures it came in."""
    event: bytes = b""
    """The event in the JSON binding where its document is in another, proved by all its fields' salts."""
    salts: bytes = b""
    """Those salts, in the order of the fields' names."""


@dataclass(frozen=True)
class Erased:
    """An event that was forgotten: its leaf, its path, and keys of the map that it stands under."""

    leaf: Leaf
    path: tuple[bytes, ...]
    keys: tuple[bytes, ...]


@dataclass(frozen=True)
class MapAnswer:
    """What the map is said to hold of an identifier, None for nothing; where that is not what is shown."""

    identifier: Identifier
    entry: Entry | None


@dataclass(frozen=True, eq=False)
class Log:
    """Events and what proves their place. `history` is the rolling hash before the first of `heads`."""

    heads: tuple[Head, ...] = ()
    history: bytes = bytes(32)
    captures: tuple[Capture, ...] = ()
    events: tuple[RecordedEvent, ...] = ()
    erased: tuple[Erased, ...] = ()
    map_secret: bytes = b""
    map_nodes: Mapping[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    map_answers: tuple[MapAnswer, ...] = ()
    checkpoint: str = ""
    """The last head as the witnesses signed it."""
    cosignatures: tuple[tuple[str, bytes], ...] = ()
    """Names of witnesses, each with what is said to be its signature; whose it is its key says."""


@dataclass(frozen=True)
class Party:
    """What the operator says of a party. `screened_at` is the Unix time of its last screening, `screening` by
    whom or against what."""

    name: str
    identifiers: tuple[str, ...] = ()
    screened_at: int | None = None
    screening: str | None = None


@dataclass(frozen=True)
class Conduct:
    """The operator's count of a debtor's past claims that unaffiliated funders held for half their life."""

    settled: int
    days_late: int
    """Mean days beyond terms."""
    diluted: int
    """Of face reduced by credit notes, millionths."""
    disputed: int
    signs: tuple[str, ...] = ()
    """Signs of related parties, or of goods going in circles: `same-key`, `same-payout`, `mirror`."""


@dataclass(frozen=True)
class RegistrySearch:
    """A search in a register of pledges, by name and Unix time."""

    registry: str
    searched_at: int
    hits: int


@dataclass(frozen=True)
class Statements:
    """What stands by somebody's word alone; None where nobody said anything."""

    supplier: Party | None = None
    debtor: Party | None = None
    invoice_verdict: str | None = None
    invoice_rules: str | None = None
    due_date_source: str | None = None
    equal_elsewhere: int | None = None
    look_alikes: int | None = None
    registry: RegistrySearch | None = None
    conduct: Conduct | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything about one claim.

    `trusted` says whether the reader vouches for the block, None if it did not say; `now` is the reader's
    Unix time; `holder` the account that offers the claim or holds it; `report` maps checks to outcomes, as
    whoever made the bundle reported them at `made_at`.
    """

    chain_id: int
    contracts: Mapping[str, bytes]
    header: Header
    trusted: bool | None
    ledger: Ledger
    terms: Terms
    fields: tuple[Disclosure, ...]
    absent: Mapping[str, MapProof]
    fingerprints: tuple[Fingerprint, ...]
    confirmation: Confirmation | None
    holder: bytes | None
    log: Log
    statements: Statements
    now: int
    made_at: int
    code: Mapping[str, bytes] = field(default_factory=dict)
    report: Mapping[str, str] | None = None

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where a field of the invoice stands among `fields`, by its name."""
        return {shown.name: place for place, shown in reversed(list(enumerate(self.fields)))}

    @cached_property
    def receivable(self) -> bytes:
        """The claim's id, from its terms."""
        return self.terms.id()
