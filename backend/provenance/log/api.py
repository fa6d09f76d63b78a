"""What the log proves of itself: checkpoints, tiles, inclusion, consistency, and what its map says."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from backend.kit import sparse
from backend.kit.access import Role
from backend.kit.canonical import encode
from backend.kit.merkle import leaf_hash
from backend.kit.web import CurrentCaller, Route, Session, audit_subject
from backend.provenance import privacy
from backend.provenance import repository as events
from backend.provenance.discovery import CurrentLog
from backend.provenance.log import repository, service
from backend.provenance.problems import EventUnknown, NotInTree
from backend.provenance.tables import AnchoredHead
from backend.verifier import logmap
from backend.verifier.capture import CAPTURE_TYPE, DOMAIN_NAME

router = APIRouter(prefix="/v1/log", route_class=Route, tags=["Log"])

_HASH = "0x" + "5a" * 32


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class HeadView(View):
    """A head of the log as the chain has it."""

    size: int = Field(examples=[1200])
    log_root: str = Field(examples=[_HASH])
    map_root: str = Field(examples=[_HASH])
    history: str = Field(examples=[_HASH])
    anchored_at: str
    block_number: int
    block_hash: str = Field(examples=[_HASH])
    tx_hash: str = Field(examples=[_HASH])


class LogView(View):
    """The log as it is: how many leaves, and how far the chain has them."""

    log_id: str = Field(examples=[_HASH])
    origin: str = Field(description="Its name in checkpoints.")
    verifier_key: str = Field(description="The key of its notes (C2SP signed-note).")
    size: int = Field(examples=[1200])
    longest_delay: int = Field(description="Seconds a receipt promises at most.", examples=[3600])
    head: HeadView | None = Field(description="The newest head on the chain.")


class LeafProofView(View):
    """An event's leaf, its audit path to a head, and that head."""

    sequence: int = Field(examples=[17])
    leaf: str = Field(description="The leaf's 201 bytes (version 1).")
    leaf_hash: str = Field(examples=[_HASH])
    tree_size: int = Field(examples=[1200])
    audit_path: list[str] = Field(description="RFC 6962 section 2.1.1.")
    head: HeadView | None = Field(description="Null until a head that covers the leaf is on the chain.")


class FieldView(View):
    """One field of an event, proved to belong to its leaf."""

    name: str = Field(examples=["/bizStep"])
    value: str = Field(description="Canonical JSON.", examples=['"receiving"'])
    salt: str
    siblings: list[str] = Field(description="From the root of the fields down.")


class FieldsView(View):
    """Fields of an event, and the leaf whose `fields_root` they belong to."""

    sequence: int
    leaf: str
    fields: list[FieldView]


class EntryView(View):
    """What stands at a place of the log. `event` is null once it was erased, and under leaves of version 0,
    which record nothing, and 2, which say that an event was erased."""

    sequence: int
    leaf: str
    event: str | None = Field(description="The event in the JSON binding, numbers as written.")
    context: list[Any] | None = Field(description="The JSON-LD context its names are read in.")
    salts: str | None = Field(description="One of 32 bytes for each field, in the order of their names.")
    erased_by: int | None = Field(description="Where the leaf stands that says that the event was erased.")
    map_keys: list[str] | None = Field(description="Where an erased event stands in the map.")


class EntriesView(View):
    """A stretch of the log, and the secret that keys its map."""

    entries: list[EntryView]
    map_secret: str = Field(examples=[_HASH])
    map_size: int
    map_root: str = Field(examples=[_HASH])
    longest_delay: int = Field(description="Seconds a receipt promises at most.", examples=[3600])
    erasable_after: int = Field(description="Seconds an event is kept at least.", examples=[608400])


class ConsistencyView(View):
    """That one size of the log extends another."""

    old: int
    new: int
    proof: list[str] = Field(description="RFC 6962 section 2.1.2.")


class MapView(View):
    """What the map says of one identifier under a head: how many leaves mention it and which is the last."""

    key: str = Field(examples=[_HASH])
    count: int
    last_sequence: int | None
    last_leaf: str | None
    siblings: list[str] = Field(description="From the root down.")
    other_key: str | None = Field(description="The foreign leaf where the path of an absent key ends.")
    other_value: str | None
    head: HeadView


class SigningView(View):
    """What to sign so that a document counts as the account's word."""

    typed_data: dict[str, Any] = Field(description="EIP-712, in the form of eth_signTypedData_v4.")


def head_view(head: AnchoredHead) -> HeadView:
    """A head as it is shown."""
    return HeadView(
        size=head.size,
        log_root=head.log_root,
        map_root=head.map_root,
        history=head.history,
        anchored_at=head.anchored_at.isoformat(),
        block_number=head.block_number,
        block_hash=head.block_hash,
        tx_hash=head.tx_hash,
    )


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


@router.get("")
async def status(session: Session, caller: CurrentCaller, log: CurrentLog) -> LogView:
    """How long the log is, and its newest head on the chain: what waits for the next one, auditors see."""
    state = await repository.state(session, caller.ledger_id)
    head = await repository.newest_anchored(session, caller.ledger_id)
    return LogView(
        log_id=_hex(log.log_id),
        origin=log.origin,
        verifier_key=log.signer.verifier_key,
        size=state.size if state and caller.sees_everything else head.size if head else 0,
        longest_delay=int(log.longest_delay.total_seconds()),
        head=head_view(head) if head else None,
    )


@router.get("/events/{sequence}/proof")
async def leaf_proof(
    sequence: Annotated[int, Path(ge=0, lt=2**62)], session: Session, caller: CurrentCaller
) -> LeafProofView:
    """The proof that an event stands in the log, against the first head on the chain that covers it."""
    row = await events.by_sequence(session, caller, sequence)
    if row is None:
        raise EventUnknown()
    return await prove_leaf(session, caller.ledger_id, sequence, row.leaf)


async def prove_leaf(session: Session, ledger_id: Any, sequence: int, leaf: bytes) -> LeafProofView:
    """A leaf's audit path to the first head on the chain that covers it, else to the log's present size."""
    head = await repository.anchored(session, ledger_id, sequence + 1)
    state = await repository.state(session, ledger_id)
    size = head.size if head is not None else (state.size if state else 0)
    path = await service.inclusion(session, ledger_id, sequence, size)
    return LeafProofView(
        sequence=sequence,
        leaf=_hex(leaf),
        leaf_hash=_hex(leaf_hash(leaf)),
        tree_size=size,
        audit_path=[_hex(node) for node in path],
        head=head_view(head) if head is not None else None,
    )


@router.get("/events/{sequence}/fields")
async def fields(
    sequence: Annotated[int, Path(ge=0, lt=2**62)],
    session: Session,
    caller: CurrentCaller,
    name: Annotated[list[str], Query(min_length=1, max_length=200, examples=[["/bizStep"]])],
) -> FieldsView:
    """Single fields of an event with their proofs, to be shown to somebody who may not see the rest."""
    shown = await privacy.disclose(session, caller, sequence, name)
    row = await events.by_sequence(session, caller, sequence)
    if row is None:
        raise EventUnknown()
    return FieldsView(
        sequence=sequence,
        leaf=_hex(row.leaf),
        fields=[
            FieldView(
                name=each.name,
                value=encode(each.value).decode(),
                salt=_hex(each.salt),
                siblings=[_hex(node) for node in each.proof.siblings],
            )
            for each in shown
        ],
    )


@router.delete("/events/{sequence}/body", status_code=204)
async def erase(
    sequence: Annotated[int, Path(ge=0, lt=2**62)],
    request: Request,
    session: Session,
    caller: CurrentCaller,
    log: CurrentLog,
) -> Response:
    """Forget an event of one's own, once whoever watches the log had time to see it. Its leaf stays, and with
    it every proof about the log; another leaf says that it was forgotten."""
    await privacy.erase(session, caller, log, sequence)
    audit_subject(request, f"event:{sequence}")
    return Response(status_code=204)


@router.get("/entries")
async def entries(
    session: Session,
    caller: CurrentCaller,
    log: CurrentLog,
    start: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> EntriesView:
    """The log itself, for monitors: an auditor's right. From it both roots can be recomputed."""
    caller.require(Role.AUDITOR, Role.OPERATOR)
    state = await repository.state(session, caller.ledger_id)
    if state is None:
        raise NotInTree(reason="the log has no leaves")
    end = min(start + limit, state.size)
    shown = await service.entries(session, state, start, end)
    erased = await repository.erasures_of(session, caller.ledger_id, start, end)
    return EntriesView(
        entries=[
            EntryView(
                sequence=sequence,
                leaf=_hex(entry.leaf),
                event=entry.body,
                context=entry.context if entry.body is not None else None,
                salts=_hex(entry.salts) if entry.salts is not None else None,
                erased_by=erased[sequence][0] if sequence in erased else None,
                map_keys=[_hex(key) for key in erased[sequence][1]] if sequence in erased else None,
            )
            for sequence, entry in enumerate(shown, start)
        ],
        map_secret=state.map_secret,
        map_size=state.map_size,
        map_root=state.map_root,
        longest_delay=int(log.longest_delay.total_seconds()),
        erasable_after=int(log.erasable_after.total_seconds()),
    )


@router.get("/heads")
async def heads(session: Session, caller: CurrentCaller) -> list[HeadView]:
    """Every head of the log on the chain, oldest first."""
    return [head_view(head) for head in await repository.all_anchored(session, caller.ledger_id)]


@router.get("/consistency")
async def consistency(
    session: Session,
    caller: CurrentCaller,
    old: Annotated[int, Query(ge=1, lt=2**62)],
    new: Annotated[int, Query(ge=1, lt=2**62)],
) -> ConsistencyView:
    """The proof that the log of `new` leaves extends that of `old`."""
    proof = await service.consistency(session, caller.ledger_id, old, new)
    return ConsistencyView(old=old, new=new, proof=[_hex(node) for node in proof])


@router.get("/map")
async def map_entry(
    session: Session,
    caller: CurrentCaller,
    kind: Annotated[str, Query(max_length=40, examples=["event"])],
    value: Annotated[str, Query(max_length=2000, examples=["urn:uuid:0196"])],
) -> MapView:
    """What the log's map under the newest head on the chain says of an identifier, with its proof.

    For those who may read the first event that names it, and for auditors: a count says how much happens.
    """
    if not caller.sees_everything and not await events.names_first(session, caller, kind, value):
        raise EventUnknown()
    head = await repository.newest_anchored(session, caller.ledger_id)
    state = await repository.state(session, caller.ledger_id)
    if head is None or state is None:
        raise NotInTree(reason="no head of the log is on the chain yet")
    key = logmap.key(bytes.fromhex(state.map_secret[2:]), logmap.identifier(kind, value))
    root = bytes.fromhex(head.map_root[2:])
    answer = await service.map_answer(session, caller.ledger_id, key, head.size, root)
    return _map_view(key, answer, head)


def _map_view(key: bytes, answer: service.MapAnswer, head: AnchoredHead) -> MapView:
    proof: sparse.MapProof = answer.proof
    other = proof.other
    return MapView(
        key=_hex(key),
        count=answer.count,
        last_sequence=answer.last_sequence,
        last_leaf=_hex(answer.last_leaf) if answer.last_leaf else None,
        siblings=[_hex(node) for node in proof.siblings],
        other_key=_hex(other[0]) if other else None,
        other_value=_hex(other[1]) if other else None,
        head=head_view(head),
    )


@router.get("/signing")
async def signing(
    log: CurrentLog,
    _caller: CurrentCaller,
    account: Annotated[str, Query(pattern="^0x[0-9a-fA-F]{40}$")],
    document: Annotated[str, Query(pattern="^0x[0-9a-f]{64}$", description="SHA-256 of its bytes.")],
) -> SigningView:
    """The typed data that a recorder signs over a document before sending it to `/epcis/capture`."""
    members = CAPTURE_TYPE.partition("(")[2].removesuffix(")").split(",")
    domain = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
    return SigningView(
        typed_data={
            "types": {
                "EIP712Domain": [{"name": name, "type": kind} for name, kind in domain.items()],
                "Capture": [
                    {"name": member.partition(" ")[2], "type": member.partition(" ")[0]} for member in members
                ],
            },
            "primaryType": "Capture",
            "domain": {
                "name": DOMAIN_NAME,
                "version": "1",
                "chainId": log.chain_id,
                "verifyingContract": _hex(log.contract),
            },
            "message": {"logId": _hex(log.log_id), "account": account, "document": document},
        }
    )
