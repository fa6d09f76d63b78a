"""The tables of the provenance room: documents as received, events, their index, the log and its map."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit.access import Owned
from backend.kit.columns import Address, Hash32, Json, UtcTime
from backend.kit.database import Base
from backend.kit.sealing import SealedBytes, SealedText


class CaptureJob(Owned, Base):
    """One call of the capture interface and how it ended (EPCIS 2.0, section 12.6.1)."""

    __tablename__ = "capture_jobs"

    user_id: Mapped[UUID]
    running: Mapped[bool]
    success: Mapped[bool]
    behaviour: Mapped[str] = mapped_column(String(10))
    """`rollback` or `proceed`: whether one bad event refuses the whole document."""
    errors: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    """Problem documents, one for each event refused."""
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    captured: Mapped[int] = mapped_column(default=0)
    duplicates: Mapped[int] = mapped_column(default=0)


class ReceivedDocument(Owned, Base):
    """A document exactly as it came, and what authenticated it. Its body and salt, sealed, can be erased."""

    __tablename__ = "received_documents"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("capture_jobs.id"), index=True)
    media_type: Mapped[str] = mapped_column(String(80))
    body: Mapped[bytes | None] = mapped_column(SealedBytes)
    salt: Mapped[bytes | None] = mapped_column(SealedBytes)
    body_hash: Mapped[str] = mapped_column(Hash32)
    """The salted hash that the leaves commit to (`verifier.leaf.body_hash`)."""
    account: Mapped[str | None] = mapped_column(Address)
    """The account it was recorded for; none where the party has no account on the chain."""
    key_id: Mapped[str | None] = mapped_column(Hash32)
    """The key that signed; none for a document that came unsigned over an authenticated session."""
    signature: Mapped[bytes | None] = mapped_column(LargeBinary)
    jwk: Mapped[dict[str, str] | None] = mapped_column(Json)


class RecordedEvent(Owned, Base):
    """An accepted event and its place in the log. Never overwritten; its sealed body can be erased."""

    __tablename__ = "epcis_events"
    __table_args__ = (
        UniqueConstraint("ledger_id", "sequence"),
        UniqueConstraint("ledger_id", "identity"),
        Index("ix_epcis_events_event_id", "ledger_id", "event_id"),
        # The order of pages is that of time and, at the same time, of the log.
        Index("ix_epcis_events_event_time", "ledger_id", "event_time", "sequence"),
        Index("ix_epcis_events_record_time", "ledger_id", "record_time", "sequence"),
        Index("ix_epcis_events_kind", "ledger_id", "kind", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger)
    """Place in the log, from 0."""
    document_id: Mapped[UUID] = mapped_column(ForeignKey("received_documents.id"), index=True)
    place: Mapped[int]
    """Position in the document, from 0."""
    identity: Mapped[str] = mapped_column(Hash32)
    """Hash of the whole event: two deliveries of one event have the same."""
    event_id: Mapped[str] = mapped_column(Text)
    """The `eventID` given, or the CBV event hash."""
    cbv_hash: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(255))
    event_time: Mapped[datetime] = mapped_column(UtcTime)
    record_time: Mapped[datetime] = mapped_column(UtcTime)
    """When the log took it, by the log's clock, to the millisecond."""
    body: Mapped[str | None] = mapped_column(SealedText)
    """The event in the JSON binding, numbers as written."""
    context: Mapped[list[Any]] = mapped_column(Json)
    """The JSON-LD context its names are read in."""
    salts: Mapped[bytes | None] = mapped_column(SealedBytes)
    """One salt for each field, in the order of the fields' names."""
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    """The leaf's encoding (`verifier.leaf`)."""


class EventKey(Base):
    """One thing an event can be found by: `name` says what it is, `value` is its one form."""

    __tablename__ = "epcis_keys"
    __table_args__ = (Index("ix_epcis_keys_sequence", "ledger_id", "sequence"),)

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    value: Mapped[str] = mapped_column(String(255), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class EventReader(Base):
    """A party that may read an event: its recorder, those it names, those it was granted to."""

    __tablename__ = "epcis_readers"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    party_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class LogState(Base):
    """The log's edge: what appending needs. Its row is locked while leaves are appended."""

    __tablename__ = "log_state"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    log_id: Mapped[str] = mapped_column(Hash32)
    last_received: Mapped[int] = mapped_column(BigInteger, default=0)
    """The log's clock at the last leaf, in milliseconds since 1970; it never goes back."""
    map_secret: Mapped[str] = mapped_column(Hash32)
    """Keys the identifiers of the map. Whoever may recompute the map is told it."""
    map_size: Mapped[int] = mapped_column(BigInteger, default=0)
    """How many leaves the map in `map_root` tells of."""
    map_root: Mapped[str] = mapped_column(Hash32)


class ErasedEvent(Base):
    """That an event was forgotten: the leaf that says so, at its own place in the log."""

    __tablename__ = "log_erasures"
    __table_args__ = (UniqueConstraint("ledger_id", "record"),)

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    record: Mapped[int] = mapped_column(BigInteger)
    """Where the leaf stands that says so."""
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    """Its encoding (`verifier.leaf.Erasure`)."""


class ErasedKey(Base):
    """A key of the map under which a forgotten event stands."""

    __tablename__ = "log_erased_keys"
    __table_args__ = (Index("ix_log_erased_keys_sequence", "ledger_id", "sequence"),)

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class LogTile(Base):
    """Up to 256 neighbouring hashes of the tree (C2SP tlog-tiles); full ones never change."""

    __tablename__ = "log_tiles"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class MapNode(Base):
    """A node of the sparse Merkle map, by its hash (`kit.sparse`)."""

    __tablename__ = "log_map_nodes"
    __table_args__ = (
        Index(
            "ix_log_map_nodes_replaced",
            "ledger_id",
            "replaced_at",
            postgresql_where=text("replaced_at IS NOT NULL"),
            sqlite_where=text("replaced_at IS NOT NULL"),
        ),
    )

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    left: Mapped[bytes] = mapped_column(LargeBinary(32))
    right: Mapped[bytes] = mapped_column(LargeBinary(32))
    replaced_at: Mapped[int | None] = mapped_column(BigInteger)
    """From the map of so many leaves on it is no longer needed."""


class MapEntry(Base):
    """What the map says of one identifier from the head of `size` leaves on, under the identifier's key."""

    __tablename__ = "log_map_entries"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    last_sequence: Mapped[int] = mapped_column(BigInteger)


class LogHead(Base):
    """A head we made: the roots of the log and its map at one size, on its way to the chain or there."""

    __tablename__ = "log_heads"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    previous_size: Mapped[int] = mapped_column(BigInteger)
    log_root: Mapped[str] = mapped_column(Hash32)
    map_root: Mapped[str] = mapped_column(Hash32)
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    operation_id: Mapped[UUID | None]


class AnchoredHead(Base):
    """A head as the chain has it, from the contract's events only."""

    __tablename__ = "log_anchored_heads"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    previous_size: Mapped[int] = mapped_column(BigInteger)
    log_root: Mapped[str] = mapped_column(Hash32)
    map_root: Mapped[str] = mapped_column(Hash32)
    history: Mapped[str] = mapped_column(Hash32)
    anchored_at: Mapped[datetime] = mapped_column(UtcTime)
    block_number: Mapped[int] = mapped_column(BigInteger)
    block_hash: Mapped[str] = mapped_column(Hash32)
    tx_hash: Mapped[str] = mapped_column(Hash32)


class NamedQuery(Owned, Base):
    """A query a party keeps under a name (EPCIS 2.0, section 12.8)."""

    __tablename__ = "epcis_queries"
    __table_args__ = (UniqueConstraint("ledger_id", "party_id", "name"),)

    name: Mapped[str] = mapped_column(String(200))
    query: Mapped[str] = mapped_column(Text)
    """Its parameters as JSON, as they were given."""


class Subscription(Owned, Base):
    """Somebody to tell what a named query finds anew, by schedule or as it is recorded."""

    __tablename__ = "epcis_subscriptions"
    __table_args__ = (Index("ix_epcis_subscriptions_due", "ledger_id", "active", "next_at"),)

    user_id: Mapped[UUID]
    query_id: Mapped[UUID] = mapped_column(ForeignKey("epcis_queries.id", ondelete="CASCADE"), index=True)
    destination: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[str | None] = mapped_column(SealedText)
    """What deliveries are signed with, sealed."""
    schedule: Mapped[dict[str, str] | None] = mapped_column(Json)
    """None for a stream."""
    report_if_empty: Mapped[bool]
    initial_record_time: Mapped[datetime | None] = mapped_column(UtcTime)
    """From when on the subscriber asked to be told of what was recorded; None: from when it subscribed."""
    epc_format: Mapped[str] = mapped_column(String(30), default="No_Preference")
    cbv_format: Mapped[str] = mapped_column(String(30), default="No_Preference")
    """The forms asked for when it subscribed (`GS1-EPC-Format`, `GS1-CBV-XML-Format`)."""
    active: Mapped[bool] = mapped_column(default=True)
    next_at: Mapped[datetime] = mapped_column(UtcTime)
    told: Mapped[int] = mapped_column(BigInteger)
    """The subscriber was told of everything before this place in the log."""
    delivery_id: Mapped[UUID | None]
    """A delivery under way: repeated with the same id and the same events until it arrives."""
    delivery_end: Mapped[int | None] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(300))
    last_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Cosignature(Base):
    """A witness's signature of a head: it recomputed both roots and found nothing rewritten."""

    __tablename__ = "log_cosignatures"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    witness: Mapped[str] = mapped_column(String(200), primary_key=True)
    """Its name and the id of its key, with a + between: nobody signs in place of another of that name."""
    line: Mapped[str] = mapped_column(Text)
    """The line under the checkpoint (C2SP tlog-cosignature)."""
    signed_at: Mapped[datetime] = mapped_column(UtcTime)
