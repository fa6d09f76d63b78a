"""Evidence about one claim, from the rooms below and the chain; then the verifier's answer, or the bundle."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
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
from backend.kit.recent import Recent
from backend.kit.sparse import MapProof
from backend.parties import repository as party_rows
from backend.parties import service as parties
from backend.receivables import conduct, reading
from backend.receivables import repository as receivables
from backend.receivables.repository import ReceivableRecord
from backend.verification import events, findings
from backend.verification.chain_state import ChainState
from backend.verifier import bundle, checkpoint, evidence, evm, report, typed_data, writer
from backend.verifier.ledger import Ledger
from backend.verifier.policy import DEFAULT, Policy
from backend.verifier.result import Ends
from backend.verifier.storage import StoredLedger
from backend.verifier.terms import DOMAIN_NAME, Terms


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

    report: report.Report
    """Every check answered. The server vouches for no block: that is the reader's to do."""
    policy: Policy
    keys: Sequence[tuple[str, str]] = ()
    """Keys of the event index under which more may come to the goods behind the claim."""

    def bundle(self) -> bytes:
        """The one file from which the reader can do the same."""
        outcomes = {result.check: result.outcome.value for result in self.report.results}
        pairs = dict.fromkeys(self.evidence.log.map_nodes.values())
        return writer.write(self.evidence, self._rests_on(), pairs, self.policy, outcomes)

    def _rests_on(self) -> Sequence[bytes]:
        """The nodes that the checks need, of all that is known of the block."""
        used: dict[bytes, bytes] = {}
        found = self.evidence
        ledger = StoredLedger(
            found.chain_id, found.header.state_root, found.contracts, _Noting(self.nodes, used)
        )
        report.run(replace(found, ledger=ledger), self.policy)
        return list(used.values())


class _Noting(dict[bytes, bytes]):
    """Nodes that note which of them were asked for."""

    def __init__(self, nodes: Mapping[bytes, bytes], used: dict[bytes, bytes]) -> None:
        self._nodes, self._used = nodes, used

    def get(self, key: bytes, default: Any = None) -> Any:
        found = self._nodes.get(key, default)
        if found is not None:
            self._used[key] = found
        return found


_CONDUCTS = 256


@dataclass(frozen=True)
class Sources:
    """Where the evidence comes from, beside the database: one for all requests of a process."""

    contracts: Contracts
    chain: ChainState
    read_invoice: ReadInvoice
    stories: events.Stories = field(default_factory=events.Stories)
    conducts: Recent[tuple[UUID, str, str, str], evidence.Conduct] = field(
        default_factory=partial(Recent, _CONDUCTS)
    )
    """By ledger, block, supplier and debtor: a debtor's claims are not counted for each of its reports."""

    @classmethod
    def of(cls, rpc: Rpc, contracts: Contracts, read_invoice: ReadInvoice) -> "Sources":
        """Those of a ledger: the state of its contracts is asked of its own node."""
        chain = ChainState(rpc, contracts.chain_id, addresses_of(contracts))
        return cls(contracts, chain, read_invoice)


def addresses_of(contracts: Contracts) -> Mapping[str, bytes]:
    """The contracts whose state the checks read; those that are not deployed are left out."""
    return {
        name: bytes.fromhex(contracts[name].address[2:]) for name in bundle.CONTRACTS if name in contracts
    }


async def gather(
    session: AsyncSession,
    caller: Caller,
    sources: Sources,
    receivable_id: UUID,
    policy: Policy = DEFAULT,
) -> Gathered:
    """Everything about a claim the caller may see, its party's pinned keys known. Raises NotFound,
    NotOnTheLedger and what follows."""
    contracts, chain = sources.contracts, sources.chain
    record = await reading.get(session, caller, receivable_id)
    pinned = await findings.pinned_keys(session, caller, record.debtor_party_id)
    policy = replace(policy, debtor_keys=policy.debtor_keys | pinned)
    position = await history.position(session, caller.ledger_id)
    if position is None or await receivables.state(session, caller.ledger_id, record.chain_id) is None:
        raise NotOnTheLedger()
    addresses = addresses_of(contracts)
    invoice = await sources.read_invoice(session, caller.ledger_id, record.invoice_id)
    story = await sources.stories.gather(
        session,
        caller.ledger_id,
        invoice.references,
        seller=record.party_id,
        buyer=record.debtor_party_id,
        origin=checkpoint.origin(contracts.chain_id, addresses["ProvenanceLog"]),
    )
    counted = await _conduct(session, sources, position.hash, record)
    moment, terms = int(now().timestamp()), terms_of(record.terms)
    try:
        state = await chain.at(position.hash)
        found = evidence.Evidence(
            chain_id=contracts.chain_id,
            contracts=addresses,
            header=state.block,
            trusted=None,
            ledger=StoredLedger(contracts.chain_id, state.block.state_root, addresses, {}),
            terms=terms,
            fields=invoice.fields,
            absent=invoice.absent,
            fingerprints=invoice.fingerprints if invoice.key_set == terms.keySet else (),
            confirmation=_confirmation(record, terms, contracts.chain_id, addresses["Receivables"]),
            holder=await _holder(session, caller, record),
            log=story.log,
            statements=await _statements(session, caller, record, invoice, counted),
            now=moment,
            made_at=moment,
            code=state.code,
        )
        answered = await chain.prove(
            state,
            lambda ledger: report.run(replace(found, ledger=ledger), policy),
            survey=lambda ledger: _touch(found, ledger),
        )
    except RpcError as error:
        raise ChainUnreachable(reason=str(error)) from error
    return Gathered(answered.evidence, state.nodes, answered, policy, story.keys)


def _touch(found: evidence.Evidence, ledger: Ledger) -> None:
    """Reads what the checks will read, as far as that is known without them: they need not run so often."""
    debtor, holders = found.terms.debtor, filter(None, [found.holder])
    with suppress(Ends):  # the checks say what is wrong
        ledger.receivable(found.receivable)
        ledger.head()
        ledger.fingerprint_keys(found.terms.keySet)
        for account in {found.terms.supplier, debtor, *holders}:
            ledger.account(account)
            ledger.units(found.receivable, account)
        if found.confirmation is not None:
            ledger.grants(debtor, evm.word(found.confirmation.signer))
        for account, key in {(each.leaf.recorder, each.leaf.key_id) for each in found.log.events}:
            ledger.grants(account, key)


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


def _confirmation(
    record: ReceivableRecord, terms: Terms, chain_id: int, contract: bytes
) -> evidence.Confirmation | None:
    """The debtor's signature; left out where a contract said yes (ERC-1271): that proves nothing offline."""
    signed = record.confirmation
    if signed is None:
        return None
    made = evidence.Confirmation(
        signer=bytes.fromhex(signed["signer"][2:]),
        nonce=int(signed["nonce"]),
        deadline=int(signed["deadline"]),
        signature=bytes.fromhex(signed["signature"][2:]),
        cosignature=bytes.fromhex(signed["cosignature"][2:]),
    )
    domain = typed_data.Domain(DOMAIN_NAME, chain_id, contract)
    digest = terms.confirmation_digest(domain, made.nonce, made.deadline, made.replaced)
    if typed_data.recover(digest, made.signature) != made.signer:
        return replace(made, signature=b"", cosignature=b"")
    return made


async def _holder(session: AsyncSession, caller: Caller, record: ReceivableRecord) -> bytes | None:
    """The supplier while it holds any of the claim, then the caller, then whoever holds most."""
    held = {
        holding.account: holding.units
        for holding in await receivables.holdings(session, caller.ledger_id, record.chain_id)
        if holding.units
    }
    if record.supplier_account in held:
        return bytes.fromhex(record.supplier_account[2:])
    own = await parties.accounts_of(session, caller.party_id)
    wanted = [*own, *sorted(held, key=lambda account: -held[account])]
    return next((bytes.fromhex(account[2:]) for account in wanted if account in held), None)


async def _statements(
    session: AsyncSession,
    caller: Caller,
    record: ReceivableRecord,
    invoice: InvoiceEvidence,
    counted: evidence.Conduct,
) -> evidence.Statements:
    ledger_id = caller.ledger_id
    fingerprints = [record.fingerprint, *record.other_fingerprints]
    supplier, debtor = await _parties(session, caller, record.party_id, record.debtor_party_id)
    return evidence.Statements(
        supplier=supplier,
        debtor=debtor,
        invoice_verdict=invoice.verdict,
        invoice_rules=invoice.rules,
        due_date_source=invoice.due_date_source,
        equal_elsewhere=await receivables.count_elsewhere(
            session, ledger_id, record.debtor_account, fingerprints
        ),
        look_alikes=invoice.look_alikes,
        registry=await _registry(session, caller, record.id),
        conduct=counted,
    )


async def _parties(session: AsyncSession, caller: Caller, *ids: UUID) -> list[evidence.Party]:
    identifiers = await party_rows.identifiers_of_each(session, ids)
    screenings = await findings.last_screenings(session, caller, ids)
    found = []
    for party_id in ids:
        party = await parties.get_party(session, caller.ledger_id, party_id)
        screening = screenings.get(party_id)
        found.append(
            evidence.Party(
                party.name,
                tuple(f"{each.scheme}:{each.value}" for each in identifiers[party_id]),
                None if screening is None else int(screening.screened_at.timestamp()),
                None if screening is None else screening.source,
            )
        )
    return found


async def _registry(
    session: AsyncSession, caller: Caller, receivable_id: UUID
) -> evidence.RegistrySearch | None:
    search = await findings.last_search(session, caller, receivable_id)
    if search is None:
        return None
    return evidence.RegistrySearch(search.register, int(search.searched_at.timestamp()), search.hits)


async def _conduct(
    session: AsyncSession, sources: Sources, block: str, record: ReceivableRecord
) -> evidence.Conduct:
    key = (record.ledger_id, block, record.supplier_account, record.debtor_account)
    if (kept := sources.conducts.get(key)) is not None:
        return kept
    found = await conduct.of_debtor(session, record.ledger_id, record.debtor_account)
    signs = await conduct.signs(session, record.ledger_id, record.supplier_account, record.debtor_account)
    counted = evidence.Conduct(
        settled=found.settled,
        days_late=found.days_late,
        diluted=found.diluted,
        disputed=found.disputed,
        signs=signs,
    )
    return sources.conducts.keep(key, counted)
