"""A document made ready to be recorded: all that needs no database, so that nothing waits for it there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from secrets import token_bytes
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from backend.kit.access import Caller
from backend.kit.columns import hash32
from backend.kit.disclosure import SALT_BYTES, SaltedFields, flatten
from backend.kit.messages import text
from backend.kit.problems import FieldError
from backend.provenance import keys
from backend.provenance.config import LogConfig
from backend.provenance.epcis.document import Document, Event, Fault, Unreadable
from backend.provenance.epcis.validation import envelope_faults, event_faults, read
from backend.provenance.epcis.values import dumps
from backend.provenance.problems import DocumentInvalid, DocumentTooLarge
from backend.verifier import capture as signing
from backend.verifier.leaf import body_hash, cbv_digest

UNSIGNED: Final = bytes(32)
"""The key id in leaves of documents that nobody signed."""

Behaviour: TypeAlias = Literal["rollback", "proceed"]
_DRAWN: Final = 2048
"""Random bytes fetched at once."""
_TOO_LARGE: Final = frozenset({"too-large", "too-many-events"})


@dataclass(frozen=True, slots=True)
class Proof:
    """The recorder's signature: over the document's bytes, for an account, by one of its keys."""

    account: str
    signature: bytes
    jwk: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PreparedEvent:
    """A valid event with everything of it that does not depend on its place in the log."""

    pointer: str
    place: int
    identity: str
    cbv_hash: str
    cbv_digest: bytes
    event_id: str
    claims_id: bool
    """Whether it gives its own id to itself: an error declaration repeats another event's."""
    kind: str
    event_time: datetime
    body: str
    fields_root: bytes
    salts: bytes
    keys: frozenset[tuple[str, str]]
    glns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Capture:
    """A document somebody wants recorded: its valid events, each once, and a problem for each other."""

    caller: Caller
    owner: UUID
    """The party whose word it is: the caller's, or that of the account it is signed for."""
    data: bytes
    media_type: str
    behaviour: Behaviour
    proof: Proof | None
    key_id: bytes | None
    """The id of the key that signed; whether it may record is for `capture.admitted` to say."""
    context: list[Any]
    count: int
    events: tuple[PreparedEvent, ...]
    errors: tuple[dict[str, Any], ...]
    salt: bytes
    body_hash: bytes


def prepare(
    caller: Caller,
    config: LogConfig,
    *,
    data: bytes,
    media_type: str,
    behaviour: Behaviour = "rollback",
    proof: Proof | None = None,
    strict: bool = False,
) -> Capture:
    """Reads and checks a document. Raises DocumentInvalid or DocumentTooLarge when it is none."""
    document = _read(data)
    key_id = _signer(config, proof, data)
    context = context_of(document)
    recorder = bytes.fromhex(proof.account[2:]) if proof else caller.party_id.bytes
    draw = _drawer()
    ready: dict[str, PreparedEvent] = {}
    errors: list[dict[str, Any]] = []
    for place, event in enumerate(document.events):
        faults = event_faults(document, event, strict=strict)
        if faults:
            errors.append(refusal(event.pointer, "epcis-event-invalid", faults))
        else:
            prepared = _prepare(recorder, context, event, place, key_id, draw)
            ready.setdefault(prepared.identity, prepared)
    salt = token_bytes(32)
    return Capture(
        caller,
        caller.party_id,
        data,
        media_type,
        behaviour,
        proof,
        key_id,
        context,
        len(document.events),
        tuple(ready.values()),
        tuple(errors),
        salt,
        body_hash(salt, data),
    )


def _read(data: bytes) -> Document:
    try:
        document = read(data)
    except Unreadable as error:
        if error.fault.code in _TOO_LARGE:
            raise DocumentTooLarge(reason=error.fault.detail) from error
        raise DocumentInvalid(reason=error.fault.detail, errors=[_field_error(error.fault)]) from error
    faults = list(envelope_faults(document))
    if document.kind == "EPCISQueryDocument":
        reason = "what a query answered is no document of events to be captured"
        faults = [Fault("/type", "query-document", reason)]
    if faults:
        raise DocumentInvalid(reason=faults[0].detail, errors=[_field_error(fault) for fault in faults])
    return document


def _field_error(fault: Fault) -> FieldError:
    return FieldError(fault.pointer, fault.code, detail=fault.detail)


def _signer(config: LogConfig, proof: Proof | None, data: bytes) -> bytes | None:
    """The id of the key whose signature of these bytes the proof is; None when it is none."""
    if proof is None:
        return None
    signed = signing.digest(
        config.chain_id, config.contract, config.log_id, bytes.fromhex(proof.account[2:]), data
    )
    return signing.signer_key(signed, proof.signature, proof.jwk)


def _prepare(
    recorder: bytes,
    context: list[Any],
    event: Event,
    place: int,
    key_id: bytes | None,
    draw: Callable[[int], bytes],
) -> PreparedEvent:
    body = event.body
    cbv_hash = event.cbv_hash()
    whole = sha256(b"tallystick recorded event v1\x00" + recorder + (key_id or UNSIGNED) + event.identity())
    fields = _salted(flatten(committed(body, context)), draw)
    return PreparedEvent(
        pointer=event.pointer,
        place=place,
        identity=hash32(whole.digest()),
        cbv_hash=cbv_hash,
        cbv_digest=cbv_digest(cbv_hash),
        event_id=body.get("eventID", cbv_hash),
        claims_id="eventID" in body and "errorDeclaration" not in body,
        kind=event.kind[:255],
        event_time=event_time(body["eventTime"]),
        body=dumps(body),
        fields_root=fields.root(),
        salts=b"".join(fields.salts[name] for name in sorted(fields.salts)),
        keys=keys.keys_of(event),
        glns=keys.glns_of(event),
    )


def _drawer() -> Callable[[int], bytes]:
    """Random bytes, fetched from the system in large pieces: every call of it lets go of the interpreter."""
    stock = b""

    def draw(count: int) -> bytes:
        nonlocal stock
        if len(stock) < count:
            stock = token_bytes(max(_DRAWN, count))
        drawn, stock = stock[:count], stock[count:]
        return drawn

    return draw


def _salted(values: dict[str, Any], draw: Callable[[int], bytes]) -> SaltedFields:
    """As `SaltedFields.of`, with salts from a stock of them."""
    drawn = draw(SALT_BYTES * len(values))
    salts = {name: drawn[place * SALT_BYTES : (place + 1) * SALT_BYTES] for place, name in enumerate(values)}
    return SaltedFields(values, salts)


def context_of(document: Document) -> list[Any]:
    """The context of a document as a list."""
    context = document.envelope.get("@context")
    return context if isinstance(context, list) else [context]


def event_time(written: str) -> datetime:
    """An event's time; digits beyond the microsecond are cut, as the database keeps no more."""
    return datetime.fromisoformat(written)


def committed(body: dict[str, Any], context: list[Any]) -> dict[str, Any]:
    """What a leaf commits to: an event with all its names are read in, its document's context and its own."""
    own = body.get("@context", context)
    listed = own if isinstance(own, list) else [own]
    return body | {"@context": context if listed == context else [*context, *listed]}


def fields_of(body: dict[str, Any], context: list[Any], salts: bytes) -> SaltedFields:
    """The salted fields of a stored event."""
    values = flatten(committed(body, context))
    names = sorted(values)
    parts = [salts[place : place + SALT_BYTES] for place in range(0, len(salts), SALT_BYTES)]
    return SaltedFields(values, dict(zip(names, parts, strict=True)))


def refusal(pointer: str, code: str, faults: Sequence[Fault] = (), **params: object) -> dict[str, Any]:
    """A problem document (RFC 9457) about one event of a job."""
    return {
        "type": f"urn:tallystick:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": 400 if faults else 409,
        "detail": text(code, "en", **params),
        "instance": pointer,
        "errors": [
            {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail} for fault in faults
        ],
    }
