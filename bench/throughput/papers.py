"""What is signed before the clock starts: claims that wait for their debtor's signature, and that signature.

One claim is made through the API, from an invoice file on. The others are that one copied in the database
under ids, tokens and fingerprints of their own, each with real signatures of its own: through the API a
thousand claims take minutes, nearly all of them to read invoices. Claims for the endpoint and the chain that
stand beside never see a database; they are the same terms again.
"""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from coincurve import PrivateKey
from eth_account import Account
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.contracts import Contracts, Relay
from backend.chain.repository import ActionRecord
from backend.chain.typed import digest
from backend.invoices.tables import InvoiceRecord, InvoiceToken
from backend.kit import bulk
from backend.kit.database import Base, Database
from backend.kit.ids import uuid7
from backend.receivables.desk import GAS_FLOORS
from backend.receivables.model import ZERO_HASH, Terms
from backend.receivables.repository import ReceivableRecord
from backend.signing.statements import STATEMENTS, UNDERTAKINGS
from backend.signing.typed import build
from bench.faults.load import Party, invoice, sign

_LIFETIME = 6 * 86_400


@dataclass(frozen=True, slots=True)
class Paper:
    """A debtor's signature of a claim, and the action it is for."""

    action: str
    signature: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Terms with both sides' signatures."""

    terms: dict[str, Any]
    relay: Relay
    confirmation: dict[str, Any]
    document: dict[str, Any]
    """What the debtor signed."""


class Notary:
    """Signs terms like those of `template` for both sides, under fingerprints of their own."""

    def __init__(
        self, contracts: Contracts, template: dict[str, Any], supplier: PrivateKey, debtor: PrivateKey
    ) -> None:
        self.contracts = contracts
        self.template = template | {"otherFingerprints": ZERO_HASH}
        self.supplier, self.debtor = supplier, debtor
        self._nonces = _nonces()
        self.deadline = int(time.time()) + _LIFETIME

    def pair(self, statement: str) -> Pair:
        """One claim; its supplier signs `statement`."""
        own = {"fingerprint": "0x" + secrets.token_hex(32), "documentRoot": "0x" + secrets.token_hex(32)}
        terms = self.template | own
        floor, _ = GAS_FLOORS["IssueAndConfirm"]
        nonce = next(self._nonces)
        bound = {"nonce": nonce, "deadline": self.deadline}
        issued, _ = self._sign(self.supplier, statement, terms | bound | {"gasFloor": floor})
        relay = Relay(_address(self.supplier), nonce, self.deadline, floor, issued)
        promise = {"statement": UNDERTAKINGS[terms["undertaking"]], "terms": terms}
        bound["nonce"] = next(self._nonces)
        signature, document = self._sign(self.debtor, "Confirmation", promise | bound)
        confirmation = {
            "signer": _address(self.debtor),
            **bound,
            "otherFingerprints": [],
            "signature": signature,
            "cosignature": "0x",
        }
        return Pair(terms, relay, confirmation, document)

    def _sign(self, key: PrivateKey, statement: str, message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        domain = self.contracts.domain("Receivables")
        document = build(
            STATEMENTS[statement],
            chain_id=self.contracts.chain_id,
            contract=domain["verifyingContract"],
            name=domain["name"],
            message=message,
        )
        return sign(key, digest(document)), document


def _nonces() -> Iterator[int]:
    """As the ledger counts them: neighbours share a word of storage."""
    number = secrets.randbits(192) << 64
    while True:
        yield number
        number += 1


def _address(key: PrivateKey) -> str:
    return str(Account.from_key(key.secret).address)


async def template(supplier: Party, buyer: Party) -> UUID:
    """A claim put forward through the API, from an invoice file on; the id of what its debtor has to sign."""
    file = {"file": ("invoice.xml", invoice("T1", 100), "application/xml")}
    brought = await supplier.post("/v1/invoices", "template", files=file)
    claim = await supplier.post("/v1/receivables", "template", json={"invoice_id": brought["id"]})
    place = claim["links"]["self"]
    await supplier.sign(await supplier.post(f"{place}/issue", "template"))
    return UUID((await buyer.post(f"{place}/confirmation", "template"))["id"])


async def copies(database: Database, of: UUID, count: int, notary: Notary) -> list[Paper]:
    """So many claims like the one whose confirmation is the action `of`, ready to be signed by the debtor."""
    rows: dict[type[Base], list[dict[str, Any]]] = {
        each: [] for each in (InvoiceRecord, InvoiceToken, ReceivableRecord, ActionRecord)
    }
    papers = []
    async with database.transaction() as session:
        action = await session.get_one(ActionRecord, of)
        claim = await session.get_one(ReceivableRecord, UUID(action.effect["receivable"]))
        brought = await session.get_one(InvoiceRecord, claim.invoice_id)
        of_invoice = select(InvoiceToken).where(InvoiceToken.invoice_id == brought.id)
        tokens = (await session.scalars(of_invoice)).all()
        for _ in range(count):
            pair = notary.pair("IssueAndConfirm")
            invoice_id, claim_id = uuid7(), uuid7()
            root = pair.terms["documentRoot"]
            rows[InvoiceRecord].append(_like(brought, id=invoice_id, document_root=root))
            for token in tokens:
                own = {"id": uuid7(), "invoice_id": invoice_id, "value": secrets.token_hex(32)}
                rows[InvoiceToken].append(_like(token, **own))
            own = {
                "id": claim_id,
                "invoice_id": invoice_id,
                "fingerprint": pair.terms["fingerprint"],
                "terms": pair.terms,
                "chain_id": Terms.from_message(pair.terms).id,
                "other_fingerprints": [],
                "issue": pair.relay.to_json(),
            }
            rows[ReceivableRecord].append(_like(claim, **own))
            effect = {
                "nonce": str(pair.confirmation["nonce"]),
                "deadline": str(pair.confirmation["deadline"]),
                "receivable": str(claim_id),
            }
            own = {
                "id": uuid7(),
                "subject": f"receivable:{claim_id}",
                "typed_data": pair.document,
                "digest": "0x" + digest(pair.document).hex(),
                "effect": effect,
            }
            rows[ActionRecord].append(_like(action, **own))
            papers.append(Paper(str(own["id"]), pair.confirmation["signature"]))
        await _insert(session, rows)
    return papers


async def _insert(session: AsyncSession, rows: dict[type[Base], list[dict[str, Any]]]) -> None:
    for table, some in rows.items():
        await bulk.insert(session, table, some)


def _like(row: Base, **other: Any) -> dict[str, Any]:
    columns = row.__mapper__.column_attrs
    return {each.columns[0].name: getattr(row, each.key) for each in columns} | other


def save(papers: list[Paper]) -> str:
    """As a file holds them."""
    return "\n".join(json.dumps([each.action, each.signature]) for each in papers)


def load(text: str) -> list[Paper]:
    """From a file."""
    return [Paper(*json.loads(line)) for line in text.splitlines()]
