"""A ledger with a log, parties with GLNs and signing accounts, and what the chain would say of heads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from coincurve import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from fastapi import FastAPI
from sqlalchemy import select

from backend.app import create_app
from backend.chain import outbox
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.chain.projections import Event
from backend.chain.repository import Operation
from backend.kit import merkle
from backend.kit.access import Role
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.settings import load
from backend.parties.repository import AccountRecord, Grant, PartyAccount, PartyIdentifier, key_of
from backend.provenance.capture import SCOPE_RECORD
from backend.provenance.config import LogConfig
from backend.provenance.log.anchoring import Heads, anchor_if_due
from backend.provenance.tables import RecordedEvent
from backend.verifier import capture as signing
from tests.backend.provenance.epcis.samples import RECEIPT, document

SELLER_GLN = "4012345000009"
BUYER_GLN = "4098765000010"
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

ANCHOR = {
    "type": "function",
    "name": "anchor",
    "stateMutability": "nonpayable",
    "inputs": [
        {"name": "logRoot", "type": "bytes32"},
        {"name": "size", "type": "uint64"},
        {"name": "consistencyProof", "type": "bytes32[]"},
        {"name": "mapRoot", "type": "bytes32"},
    ],
    "outputs": [],
}


@pytest.fixture
def contracts() -> Contracts:
    return Contracts(
        31337,
        0,
        "0x" + "00" * 32,
        [
            Contract("Participants", to_checksum_address("0x" + "11" * 20), Abi([])),
            Contract("ProvenanceLog", to_checksum_address("0x" + "22" * 20), Abi([ANCHOR])),
        ],
    )


@pytest.fixture
def app(database: Database, contracts: Contracts, tmp_path: Path) -> FastAPI:
    return create_app(load({}, data_directory=tmp_path / "data"), contracts, database)


@pytest.fixture
def log(app: FastAPI) -> LogConfig:
    config: LogConfig = app.state.log
    return config


@dataclass
class Recorder:
    """A party's user with an account on the chain and the key that signs for it."""

    user: Any
    account: str
    key: PrivateKey
    log: LogConfig

    @property
    def party_id(self) -> UUID:
        return self.user.party_id

    def headers(self, data: bytes, key: PrivateKey | None = None) -> dict[str, str]:
        """The headers that sign a document."""
        log, account = self.log, bytes.fromhex(self.account[2:])
        digest = signing.digest(log.chain_id, log.contract, log.log_id, account, data)
        signature = (key or self.key).sign_recoverable(digest, hasher=None)
        signature = signature[:64] + bytes([signature[64] + 27])
        return {"Tallystick-Account": self.account, "Tallystick-Signature": "0x" + signature.hex()}

    async def capture(
        self, data: bytes, *, signed: bool = True, media_type: str = "application/json", **headers: str
    ) -> httpx.Response:
        """Sends a document to the capture interface."""
        if signed:
            headers |= self.headers(data)
        headers["Content-Type"] = media_type
        return await self.user.client.post("/epcis/capture", content=data, headers=headers)


class Chain:
    """What the chain would do with heads: takes them in order and tells of them."""

    def __init__(self, database: Database, contracts: Contracts, log: LogConfig) -> None:
        self.database, self.contracts, self.log = database, contracts, log
        self.block = 100
        self.moment = now()

    async def make_head(self, waited: timedelta = timedelta(hours=1)) -> Operation | None:
        """Lets the worker make a head, if one is due, so long after the last call."""
        self.moment += waited
        async with self.database.transaction() as session:
            return await anchor_if_due(session, self.contracts, self.log, moment=self.moment)

    async def take(self, operation: Operation) -> dict[str, Any]:
        """Mines the operation: it succeeds and its event is indexed. Answers the call's arguments."""
        args = self.contracts["ProvenanceLog"].abi.function("anchor").decode_input(operation.data)
        async with self.database.transaction() as session:
            row = await session.get(Operation, operation.id)
            assert row is not None
            outbox.finish(row, outbox.SUCCEEDED, "confirmed", "confirm")
            self.block += 1
            await Heads().rebuild(
                session, self.contracts.ledger_id, {str(args["size"]): [self.event(args, self.block)]}
            )
        return args

    def event(self, args: dict[str, Any], block: int) -> Event:
        """The event of a head."""
        told = {
            "size": args["size"],
            "logRoot": args["logRoot"],
            "mapRoot": args["mapRoot"],
            "previousSize": 0,
            "history": "0x" + "99" * 32,
        }
        return Event(
            "ProvenanceLog", "Anchored", told, "0x" + "22" * 20, block, "0x" + f"{block:064x}",
            datetime.fromtimestamp(1_800_000_000 + block, UTC), "0x" + f"{block:064x}", 0,
        )  # fmt: skip

    async def anchor(self) -> dict[str, Any]:
        """A head made and taken."""
        operation = await self.make_head()
        assert operation is not None
        return await self.take(operation)


def address_of(key: PrivateKey) -> str:
    """The Ethereum address of a key."""
    return to_checksum_address(keccak(key.public_key.format(compressed=False)[1:])[-20:])


async def grant(world: Any, account: str, key: PrivateKey, scopes: int = SCOPE_RECORD) -> None:
    """The account's party lets a key do `scopes` for it."""
    async with world.database.transaction() as session:
        session.add(_grant(world.ledger_id, account, key, scopes))


def _grant(ledger_id: UUID, account: str, key: PrivateKey, scopes: int) -> Grant:
    return Grant(
        ledger_id=ledger_id,
        account=account,
        key=key_of(address_of(key)),
        scopes=scopes,
        epoch=0,
        starts_at=datetime(2020, 1, 1, tzinfo=UTC),
        ends_at=FOREVER,
        amount_limit=0,
        alone_limit=0,
    )


async def admit(
    world: Any, log: LogConfig, *glns: str, scopes: int = SCOPE_RECORD, number: int = 1
) -> Recorder:
    """A party with GLNs, an account, and a key that may do `scopes` for it."""
    user = await world.user()
    key = PrivateKey(number.to_bytes(32, "big"))
    account = to_checksum_address(f"0x{number:040x}")
    async with world.database.transaction() as session:
        owner = {"ledger_id": world.ledger_id, "party_id": user.party_id}
        session.add_all([PartyIdentifier(**owner, scheme="gln", value=gln) for gln in glns])
        session.add(PartyAccount(**owner, account=account))
        session.add(
            AccountRecord(
                ledger_id=world.ledger_id,
                account=account,
                commitment="0x" + f"{number:064x}",
                roles=15,
                valid_until=FOREVER,
                suspended=False,
                hosted=False,
                open=True,
                epoch=0,
                payout=None,
            )
        )
        session.add(_grant(world.ledger_id, account, key, scopes))
    return Recorder(user, account, key, log)


@pytest.fixture
async def seller(world: Any, log: LogConfig) -> Recorder:
    return await admit(world, log, SELLER_GLN, number=101)


@pytest.fixture
async def buyer(world: Any, log: LogConfig) -> Recorder:
    return await admit(world, log, BUYER_GLN, number=102)


@pytest.fixture
async def stranger(world: Any, log: LogConfig) -> Recorder:
    return await admit(world, log, number=103)


@pytest.fixture
async def auditor(world: Any) -> Any:
    return await world.user(Role.AUDITOR)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, log: LogConfig) -> Callable[..., None]:
    """Moves the log's clock on: by default so far that events may be erased."""

    def move(by: timedelta = log.erasable_after) -> None:
        monkeypatch.setattr("backend.provenance.log.service.now", lambda: now() + by)

    return move


@pytest.fixture
def chain(database: Database, contracts: Contracts, log: LogConfig) -> Chain:
    return Chain(database, contracts, log)


def numbered(count: int, start: int = 0) -> Sequence[dict[str, Any]]:
    """So many different receipts."""
    return [
        {**RECEIPT, "epcList": [f"https://id.gs1.org/01/04012345000016/21/{number}"]}
        for number in range(start, start + count)
    ]


def receipts(count: int, start: int = 0) -> bytes:
    """A document of so many different receipts."""
    return document(*numbered(count, start))


async def leaves_of(database: Database) -> list[bytes]:
    """The hashes of the log's leaves, in their order."""
    async with database.reading() as session:
        rows = (await session.scalars(select(RecordedEvent).order_by(RecordedEvent.sequence))).all()
    return [merkle.leaf_hash(row.leaf) for row in rows]
