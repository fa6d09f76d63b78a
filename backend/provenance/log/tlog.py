"""The log in the formats of the transparency logs' world: checkpoints, tiles, cosignatures (C2SP)."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from backend.kit import merkle
from backend.kit.access import Role
from backend.kit.clock import from_unix
from backend.kit.web import CurrentCaller, Route, Session, audit_subject, key_optional, open_to_readers
from backend.provenance.discovery import CurrentLog
from backend.provenance.log import repository, service, tiles
from backend.provenance.log.notes import NoteError, cosignature_line, cosigned_at, open_note, read_checkpoint
from backend.provenance.problems import CosignatureInvalid, NotInTree

router = APIRouter(prefix="/v1/log", route_class=Route, tags=["Log"])

MOST_WITNESSES = 32
"""Signatures under one checkpoint; a note that everybody could lengthen would serve nobody."""

TilePath = Annotated[
    str,
    Path(
        max_length=60,
        examples=["x001/234.p/17"],
        description="The tile's number in groups of three digits, each but the last after an x.",
    ),
]


class CosignatureBody(BaseModel):
    """A checkpoint with a witness's signature under it."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(max_length=10_000)
    witness: str = Field(max_length=180, pattern=r"^[^\s+]+$", examples=["witness.example"])
    public_key: str = Field(pattern="^0x[0-9a-f]{64}$", description="The witness's Ed25519 key.")


@router.get("/checkpoint", response_class=PlainTextResponse)
async def checkpoint(session: Session, caller: CurrentCaller, log: CurrentLog) -> PlainTextResponse:
    """The newest head on the chain as a signed note (C2SP tlog-checkpoint)."""
    return PlainTextResponse(await service.checkpoint(session, caller.ledger_id, log))


@router.get("/tile/entries/{path:path}", response_class=Response)
async def entry_bundle(path: TilePath, session: Session, caller: CurrentCaller) -> Response:
    """The leaves of one tile of level 0, each after its length in two bytes (C2SP tlog-tiles).

    For monitors: an auditor's right.
    """
    caller.require(Role.AUDITOR, Role.OPERATOR)
    index, width = _tile_path(path)
    state = await repository.state(session, caller.ledger_id)
    start = index * tiles.WIDTH
    if state is None or state.size < start + width:
        raise NotInTree(reason=f"the log has no {width} leaves in tile {index}")
    leaves = [entry.leaf for entry in await service.entries(session, state, start, start + width)]
    return _tile(b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves))


@router.get("/tile/{level}/{path:path}", response_class=Response)
async def tile(
    level: Annotated[int, Path(ge=0, le=7)], path: TilePath, session: Session, caller: CurrentCaller
) -> Response:
    """The hashes of one tile, 32 bytes each (C2SP tlog-tiles): a full one, or the first W of it as `.p/W`.

    Up to the newest head on the chain; what waits for the next one, auditors see.
    """
    index, width = _tile_path(path)
    if not caller.sees_everything:
        head = await repository.newest_anchored(session, caller.ledger_id)
        if head is None or (index * tiles.WIDTH + width) * tiles.WIDTH**level > head.size:
            raise NotInTree(reason=f"no head on the chain has {width} hashes in tile {level}/{index}")
    found = await repository.tiles(session, caller.ledger_id, [(level, index)])
    content = b"".join(found.values())[: width * merkle.HASH_BYTES]
    if len(content) < width * merkle.HASH_BYTES:
        raise NotInTree(reason=f"the log has no {width} hashes in tile {level}/{index}")
    return _tile(content)


def _tile_path(path: str) -> tuple[int, int]:
    try:
        return tiles.read_path(path)
    except ValueError as error:
        raise NotInTree(reason=str(error)) from error


def _tile(content: bytes) -> Response:
    """What will never be another: a log only grows."""
    headers = {"Cache-Control": "private, immutable, max-age=31536000"}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.post("/cosignatures", status_code=204)
@key_optional
@open_to_readers
async def cosign(
    body: CosignatureBody, request: Request, session: Session, caller: CurrentCaller, log: CurrentLog
) -> Response:
    """Leave a witness's signature under a checkpoint: an auditor's right. Who believes it knows its key by
    other means."""
    caller.require(Role.AUDITOR, Role.OPERATOR)
    public = bytes.fromhex(body.public_key[2:])
    try:
        text = open_note(body.note, log.origin, log.signer.public)
        checkpoint = read_checkpoint(text)
        seconds = cosigned_at(body.note, body.witness, public)
    except NoteError as error:
        raise CosignatureInvalid(reason=str(error)) from error
    known = await repository.witnesses(session, caller.ledger_id, checkpoint.size)
    name, line = cosignature_line(body.note, body.witness, public)
    if name not in known and len(known) >= MOST_WITNESSES:
        raise CosignatureInvalid(reason=f"{MOST_WITNESSES} witnesses have signed this head already")
    await repository.put_cosignature(
        session,
        {
            "ledger_id": caller.ledger_id,
            "size": checkpoint.size,
            "witness": name,
            "line": line,
            "signed_at": from_unix(seconds),
        },
    )
    audit_subject(request, f"head:{checkpoint.size}")
    return Response(status_code=204)
