"""Capture: documents become events, index rows and leaves of the log, in one transaction or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit import bulk
from backend.kit.clock import from_unix, iso, now
from backend.kit.columns import address, hash32
from backend.kit.ids import uuid7
from backend.kit.merkle import root_of
from backend.parties import repository as parties
from backend.parties import service as party_service
from backend.provenance import repository
from backend.provenance.config import LogConfig
from backend.provenance.log import service as log
from backend.provenance.preparing import UNSIGNED, Capture, PreparedEvent, refusal
from backend.provenance.problems import AccountNotYours, SignatureInvalid
from backend.provenance.tables import CaptureJob, ReceivedDocument
from backend.verifier.leaf import Leaf

SCOPE_RECORD: Final = 1 << 9
"""Participants' scope of keys that may sign events (contracts/types/Account.sol)."""

NO_ACCOUNT: Final = bytes(20)
_MOST_ERRORS: Final = 100


@dataclass(frozen=True, slots=True)
class Captured:
    """A finished job, its leaves, and the log's signed promise about them."""

    job: CaptureJob
    leaves: tuple[Leaf, ...] = ()
    receipt: str | None = None
    event_ids: tuple[str, ...] = ()


async def admitted(session: AsyncSession, capture: Capture) -> Capture:
    """The capture as the word of the account's party, if it is signed: by a key that may record for it now.

    Who brings it does not matter. A warehouse that the buyer appointed signs with a key of its own that the
    buyer admitted for its account, and what it receives counts as received by the buyer. Raises
    AccountNotYours or SignatureInvalid.
    """
    proof, caller = capture.proof, capture.caller
    if proof is None:
        return capture
    owner = await party_service.party_of_account(session, caller.ledger_id, proof.account)
    if owner is not None and capture.key_id is not None:
        key = hash32(capture.key_id)
        if await party_service.may_sign(session, caller.ledger_id, proof.account, key, SCOPE_RECORD):
            return replace(capture, owner=owner.id)
    if owner is None or owner.id != caller.party_id:
        raise AccountNotYours(account=proof.account)
    raise SignatureInvalid(account=proof.account)


async def record(
    session: AsyncSession, ledger_id: UUID, config: LogConfig, captures: Sequence[Capture]
) -> list[Captured]:
    """Records the events of documents, all in this transaction; each document has a job of its own.

    Under `rollback` one invalid event refuses its whole document, under `proceed` the others are recorded;
    the job says what was refused and why. An event delivered twice by the same recorder is recorded once.
    """
    state = await log.lock(session, ledger_id, config)
    # Only now does no other capture stand between what is known and what is written.
    events = [event for each in captures for event in each.events]
    known = await repository.known_identities(session, ledger_id, (event.identity for event in events))
    claims = {event.event_id for event in events if event.claims_id}
    taken = await repository.claimed_event_ids(session, ledger_id, claims)
    sifted = [_sift(each, known, taken) for each in captures]
    await bulk.insert(session, CaptureJob, [_row(each.job) for each in sifted])
    recorded = [each for each in sifted if each.valid]
    if not recorded:
        return [Captured(each.job) for each in sifted]
    await bulk.insert(session, ReceivedDocument, [_row(each.received) for each in recorded])
    readers = await _parties(session, ledger_id, recorded)
    moment = log.clock(state)
    writing = _Writing(config, readers, moment, state.size)
    done = {each.job.id: writing.write(each) for each in recorded}
    await log.append(session, state, writing.leaves)
    await repository.add_events(session, writing.rows, writing.index, writing.seen)
    return [done.get(each.job.id, Captured(each.job)) for each in sifted]


def _row(of: CaptureJob | ReceivedDocument) -> dict[str, Any]:
    return {column.key: getattr(of, column.key) for column in type(of).__table__.columns}


@dataclass(frozen=True, slots=True)
class _Sifted:
    """What of a document is recorded, under its job."""

    capture: Capture
    job: CaptureJob
    received: ReceivedDocument
    valid: tuple[PreparedEvent, ...]


def _sift(capture: Capture, known: set[str], taken: set[tuple[UUID, str]]) -> _Sifted:
    """What of a document is new. What it takes is added to `known` and `taken` for the documents after it."""
    party = capture.owner
    errors = list(capture.errors)
    fresh: list[PreparedEvent] = []
    names: set[tuple[UUID, str]] = set()
    unknown = [event for event in capture.events if event.identity not in known]
    for event in unknown:
        name = (party, event.event_id)
        if event.claims_id and (name in taken or name in names):
            errors.append(refusal(event.pointer, "epcis-event-id-taken", event_id=event.event_id))
        else:
            fresh.append(event)
        if event.claims_id:
            names.add(name)
    valid = () if errors and capture.behaviour == "rollback" else tuple(fresh)
    known |= {event.identity for event in valid}
    taken |= {(party, event.event_id) for event in valid}
    job = CaptureJob(
        id=uuid7(),
        ledger_id=capture.caller.ledger_id,
        party_id=capture.caller.party_id,
        user_id=capture.caller.user_id,
        created_at=now(),
        finished_at=now(),
        running=False,
        success=not errors,
        behaviour=capture.behaviour,
        errors=errors[:_MOST_ERRORS],
        captured=len(valid),
        duplicates=capture.count - len(capture.errors) - len(unknown),
    )
    return _Sifted(capture, job, _received(capture, job), valid)


def _received(capture: Capture, job: CaptureJob) -> ReceivedDocument:
    proof = capture.proof
    return ReceivedDocument(
        id=uuid7(),
        ledger_id=job.ledger_id,
        party_id=capture.owner,
        created_at=job.created_at,
        job_id=job.id,
        media_type=capture.media_type,
        body=capture.data,
        salt=capture.salt,
        body_hash=hash32(capture.body_hash),
        account=proof.account if proof else capture.caller.account,
        key_id=hash32(capture.key_id) if capture.key_id else None,
        signature=proof.signature if proof else None,
        jwk=proof.jwk if proof else None,
    )


async def _parties(session: AsyncSession, ledger_id: UUID, recorded: Sequence[_Sifted]) -> dict[str, UUID]:
    """The parties behind the GLNs that the events name."""
    named = {gln for each in recorded for event in each.valid for gln in event.glns}
    return await parties.parties_of_identifiers(session, ledger_id, "gln", named) if named else {}


class _Writing:
    """The rows of one transaction's events, as they take their places in the log."""

    def __init__(self, config: LogConfig, parties_by_gln: dict[str, UUID], moment: int, size: int) -> None:
        self._config, self._parties, self._moment, self._next = config, parties_by_gln, moment, size
        self._recorded_at = from_milliseconds(moment)
        self.leaves: list[Leaf] = []
        self.rows: list[dict[str, object]] = []
        self.index: list[dict[str, object]] = []
        self.seen: list[dict[str, object]] = []

    def write(self, sifted: _Sifted) -> Captured:
        """Gives the document's events the next places."""
        leaves = tuple(self._event(sifted, event) for event in sifted.valid)
        return Captured(
            sifted.job,
            leaves,
            receipt(self._config, leaves),
            tuple(event.event_id for event in sifted.valid),
        )

    def _event(self, sifted: _Sifted, event: PreparedEvent) -> Leaf:
        received, capture = sifted.received, sifted.capture
        leaf = Leaf(
            log_id=self._config.log_id,
            sequence=self._next,
            recorder=bytes.fromhex(received.account[2:]) if received.account else NO_ACCOUNT,
            key_id=capture.key_id or UNSIGNED,
            received_at=self._moment,
            cbv_hash=event.cbv_digest,
            body_hash=capture.body_hash,
            place=event.place,
            fields_root=event.fields_root,
        )
        self._next += 1
        self.leaves.append(leaf)
        ledger_id, sequence = received.ledger_id, leaf.sequence
        self.rows.append(
            {
                "id": uuid7(),
                "ledger_id": ledger_id,
                "party_id": received.party_id,
                "created_at": self._recorded_at,
                "sequence": sequence,
                "document_id": received.id,
                "place": event.place,
                "identity": event.identity,
                "event_id": event.event_id,
                "cbv_hash": event.cbv_hash,
                "kind": event.kind,
                "event_time": event.event_time,
                "record_time": self._recorded_at,
                "body": event.body,
                "context": capture.context,
                "salts": event.salts,
                "leaf": leaf.encode(),
            }
        )
        owner = {"ledger_id": ledger_id, "sequence": sequence}
        self.index += [{**owner, "name": name, "value": value} for name, value in event.keys]
        readers = {received.party_id, capture.caller.party_id}
        readers |= {self._parties[gln] for gln in event.glns if gln in self._parties}
        self.seen += [{**owner, "party_id": party} for party in readers]
        return leaf


def from_milliseconds(moment: int) -> datetime:
    """Milliseconds since 1970 as an aware datetime, exact."""
    return from_unix(moment // 1000) + timedelta(milliseconds=moment % 1000)


def receipt(config: LogConfig, leaves: Sequence[Leaf]) -> str:
    """The log's signed promise: these leaves stand at these places, and the chain covers them by a moment.

    A signed note (C2SP signed-note). Whoever holds it and finds no such head by then holds the evidence.
    """
    received = from_milliseconds(leaves[0].received_at)
    lines = (
        f"{config.origin} receipt v1",
        f"leaves {leaves[0].sequence}-{leaves[-1].sequence}",
        f"root {root_of(leaf.hash() for leaf in leaves).hex()}",
        f"received {iso(received)}",
        f"anchored-by {iso(received + config.longest_delay)}",
    )
    return config.signer.sign("".join(f"{line}\n" for line in lines))


def account_form(given: str) -> str | None:
    """An account's address with its checksum, or None for text that is none."""
    try:
        return address(given)
    except ValueError:
        return None
