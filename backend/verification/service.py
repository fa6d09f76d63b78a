"""Evidence about one claim, from the rooms below and the chain; then the verifier's answer, or the bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import history
from backend.chain.contracts import Contracts
from backend.chain.rpc import Rpc, RpcError
from backend.kit.access import Caller
from backend.kit.clock import now
from backend.kit.disclosure import Disclosure
from backend.kit.problems import Problem
from backend.kit.sparse import MapProof
from backend.parties import repository as party_rows
from backend.parties import service as parties
from backend.receivables import reading
from backend.receivables import repository as receivables
from backend.receivables.repository import ReceivableRecord
from backend.verification import chain_state, events
from backend.verifier import bundle, checks, evidence, report, writer
from backend.verifier.ledger import Ledger
from backend.verifier.policy import DEFAULT, Policy
from backend.verifier.storage import StoredLedger
from backend.verifier.terms import Terms


class NotOnTheLedger(Problem):
    """The debtor has not confirmed it, or the chain does not show it yet: there is nothing to verify."""

    status, code = 409, "verification-not-on-ledger"


class ChainUnreachable(Problem):
    """No node answers, so nothing can be proved now."""

    status, code = 503, "verification-chain-unreachable"


@dataclass(frozen=True)
class InvoiceEvidence:
    """What the invoices room gives about the invoice behind a claim."""

    fields: tuple[Disclosure, ...]
    absent: Mapping[str, MapProof]
    fingerprints: tuple[evidence.Fingerprint, ...]
    key_set: int
    """The set of keys they were made under."""
    references: Mapping[str, Sequence[str]]
    """Type of document (`po`, `desadv`, `recadv`, `inv`) → numbers, as the events are asked for."""
    verdict: str | None
    rules: str | None
    due_date_source: str | None
    look_alikes: int | None


class ReadInvoice(Protocol):
    """How the invoice behind a claim is read; whoever may see the claim may see this of it."""

    async def __call__(self, session: AsyncSession, ledger_id: UUID, invoice_id: UUID) -> InvoiceEvidence: ...


@dataclass(frozen=True)
class Gathered:
    """Evidence, and the nodes that prove the state it rests on."""

    evidence: evidence.Evidence
    nodes: Mapping[bytes, bytes]

    def report(self, policy: Policy = DEFAULT) -> report.Report:
        """Every check answered. The server vouches for no block: that is the reader's to do."""
        return report.run(self.evidence, policy)

    def bundle(self, policy: Policy = DEFAULT) -> bytes:
        """The one file from which the reader can do the same."""
        outcomes = {result.check: result.outcome.value for result in self.report(policy).results}
        pairs = dict.fromkeys(self.evidence.log.map_nodes.values())
        return writer.write(self.evidence, self.nodes.values(), pairs, policy, outcomes)


async def gather(
    session: AsyncSession,
    caller: Caller,
    rpc: Rpc,
    contracts: Contracts,
    read_invoice: ReadInvoice,
    receivable_id: UUID,
    policy: Policy = DEFAULT,
) -> Gathered:
    """Everything about a claim the caller may see. Raises NotFound, NotOnTheLedger and what follows."""
    record = await reading.get(session, caller, receivable_id)
    position = await history.position(session, caller.ledger_id)
    if position is None or await receivables.state(session, caller.ledger_id, record.chain_id) is None:
        raise NotOnTheLedger()
    invoice = await read_invoice(session, caller.ledger_id, record.invoice_id)
    log = await events.gather(
        session,
        caller.ledger_id,
        invoice.references,
        seller=record.party_id,
        buyer=record.debtor_party_id,
    )
    addresses = {name: bytes.fromhex(contracts[name].address[2:]) for name in bundle.CONTRACTS}
    moment, terms = int(now().timestamp()), terms_of(record.terms)
    try:
        block = await chain_state.read_block(rpc, position.hash)
        found = evidence.Evidence(
            chain_id=contracts.chain_id,
            contracts=addresses,
            header=block,
            trusted=None,
            ledger=StoredLedger(contracts.chain_id, block.state_root, addresses, {}),
            terms=terms,
            fields=invoice.fields,
            absent=invoice.absent,
            fingerprints=invoice.fingerprints if invoice.key_set == terms.keySet else (),
            confirmation=_confirmation(record),
            holder=await _holder(session, caller, record),
            log=log,
            statements=await _statements(session, caller.ledger_id, record, invoice),
            now=moment,
            made_at=moment,
        )

        def read(ledger: Ledger) -> None:
            looking = replace(found, ledger=ledger)
            for check in checks.ALL:
                check.run(looking, policy)

        proved = await chain_state.prove(rpc, contracts.chain_id, addresses, block, read)
    except RpcError as error:
        raise ChainUnreachable(reason=str(error)) from error
    ledger = StoredLedger(contracts.chain_id, block.state_root, addresses, proved.nodes)
    return Gathered(replace(found, ledger=ledger, code=proved.code), proved.nodes)


def terms_of(message: Mapping[str, Any]) -> Terms:
    """The verifier's terms from the typed data that both sides signed."""
    values: dict[str, Any] = {}
    for name in Terms.__dataclass_fields__:
        value = message[name]
        if name == "currency":
            values[name] = bytes.fromhex(value[2:]).decode("ascii") if value.startswith("0x") else value
        elif isinstance(value, str) and value.startswith("0x"):
            values[name] = bytes.fromhex(value[2:])
        else:
            values[name] = int(value)
    return Terms(**values)


def _confirmation(record: ReceivableRecord) -> evidence.Confirmation | None:
    signed = record.confirmation
    if signed is None:
        return None
    return evidence.Confirmation(
        signer=bytes.fromhex(signed["signer"][2:]),
        nonce=int(signed["nonce"]),
        deadline=int(signed["deadline"]),
        signature=bytes.fromhex(signed["signature"][2:]),
        cosignature=bytes.fromhex(signed["cosignature"][2:]),
    )


async def _holder(session: AsyncSession, caller: Caller, record: ReceivableRecord) -> bytes | None:
    """The supplier while it holds any of the claim, then the caller, then whoever holds most."""
    held = {
        holding.account: holding.units
        for holding in await receivables.holdings(session, caller.ledger_id, record.chain_id)
        if holding.units
    }
    own = await parties.accounts_of(session, caller.party_id)
    wanted = [record.supplier_account, *own, *sorted(held, key=lambda account: -held[account])]
    return next((bytes.fromhex(account[2:]) for account in wanted if account in held), None)


async def _statements(
    session: AsyncSession, ledger_id: UUID, record: ReceivableRecord, invoice: InvoiceEvidence
) -> evidence.Statements:
    fingerprints = [record.fingerprint, *record.other_fingerprints]
    return evidence.Statements(
        supplier=await _party(session, ledger_id, record.party_id),
        debtor=await _party(session, ledger_id, record.debtor_party_id),
        invoice_verdict=invoice.verdict,
        invoice_rules=invoice.rules,
        due_date_source=invoice.due_date_source,
        equal_elsewhere=await receivables.count_elsewhere(
            session, ledger_id, record.debtor_account, fingerprints
        ),
        look_alikes=invoice.look_alikes,
        conduct=await _conduct(session, ledger_id, record.debtor_account),
    )


async def _party(session: AsyncSession, ledger_id: UUID, party_id: UUID) -> evidence.Party:
    party = await parties.get_party(session, ledger_id, party_id)
    rows = await party_rows.identifiers_of(session, party_id)
    return evidence.Party(party.name, tuple(f"{each.scheme}:{each.value}" for each in rows))


async def _conduct(session: AsyncSession, ledger_id: UUID, debtor: str) -> evidence.Conduct:
    record = await receivables.conduct_of(session, ledger_id, debtor)
    return evidence.Conduct(
        settled=record.settled,
        days_late=record.days_late,
        diluted=record.diluted,
        disputed=record.disputed,
        related=False,
    )
