"""The ledger's contracts as their proved storage shows them, variable by variable."""

from collections.abc import Mapping

from backend.verifier import evm, layout, state
from backend.verifier.ledger import AccountState, Grant, Head, ReceivableState, Status, Stretch
from backend.verifier.result import Ends, cannot_tell, failed

_MOST_ITEMS = 10_000
"""More than any list a ledger of ours holds; a longer one is not read in full."""

# Bits of `State.flags` in contracts/types/Book.sol.
_ACCOUNTED, _DISPUTED = 1 << 0, 1 << 3

FOREVER = 2**40 - 1


class StoredLedger:
    """Answers from trie nodes under a state root. What the nodes do not reach ends the check: cannot tell."""

    def __init__(
        self, chain_id: int, state_root: bytes, contracts: Mapping[str, bytes], nodes: Mapping[bytes, bytes]
    ) -> None:
        self._chain_id = chain_id
        self._state_root = state_root
        self._contracts = contracts
        self._nodes = nodes
        self._accounts: dict[str, state.Account] = {}
        self._values: dict[tuple[str | int | bytes, ...], int] = {}

    def receivable(self, id_: bytes) -> ReceivableState:
        def read(table: str, member: str) -> int:
            return self.read("Receivables", "_book", table, id_, member)

        flags, face = read("states", "flags"), read("states", "face")
        accounted = bool(flags & _ACCOUNTED)  # before the first payment nothing but the face is stored
        return ReceivableState(
            status=self._status(read("states", "status")),
            # Of a claim that is only issued, from when it may be; such a claim fails by its status.
            confirmed_at=read("states", "confirmedAt"),
            due_end=read("states", "dueEnd"),
            face=face,
            unpaid=read("totals", "unpaid") if accounted else face,
            units=read("totals", "units") if accounted else face,
            disputed=bool(flags & _DISPUTED) or read("states", "openDisputes") > 0,
        )

    def units(self, id_: bytes, account: bytes) -> int:
        main = self.read("Receivables", "_book", "mains", id_, "account")
        if main == int.from_bytes(account, "big"):
            return self.read("Receivables", "_book", "mains", id_, "units")
        return self.read("Receivables", "_book", "holders", id_, account, "units")

    def account(self, account: bytes) -> AccountState:
        def read(*steps: str | int | bytes) -> int:
            return self.read("Participants", "_accounts", account, *steps)

        return AccountState(
            flags=read("flags"),
            valid_until=read("validUntil"),
            roles=read("roles"),
            admissions=tuple(
                Stretch(
                    start=self.read("Participants", "_admissions", account, index, "from"),
                    until=self.read("Participants", "_admissions", account, index, "until"),
                    roles=self.read("Participants", "_admissions", account, index, "roles"),
                )
                for index in range(self._length("Participants", "_admissions", account))
            ),
            suspensions=tuple(
                Stretch(
                    start=self.read("Participants", "_suspensions", account, index, "from"),
                    until=self.read("Participants", "_suspensions", account, index, "until") or FOREVER,
                )
                for index in range(self._length("Participants", "_suspensions", account))
            ),
            takeover_pending=self.read("Participants", "_takeovers", account, "key") != 0,
            payout_pending=self.read("Participants", "_payoutChanges", account, "payout") != 0,
        )

    def grants(self, account: bytes, key: bytes) -> tuple[Grant, ...]:
        past = self._length("Participants", "_pastGrants", account, key)
        places: list[tuple[str | int | bytes, ...]] = [
            ("_pastGrants", account, key, index) for index in range(past)
        ]
        return tuple(self._grant(account, place) for place in (*places, ("_grants", account, key)))

    def slot(self, debtor: bytes, fingerprint: bytes) -> bytes:
        return evm.word(self.read("Fingerprints", "_slots", debtor, fingerprint, "id"))

    def fingerprint_keys(self, key_set: int) -> tuple[bytes, ...]:
        count = self._length("Fingerprints", "_keys", key_set)
        return tuple(evm.word(self.read("Fingerprints", "_keys", key_set, index)) for index in range(count))

    def head(self) -> tuple[Head, bytes]:
        present = Head(
            log_root=evm.word(self.read("ProvenanceLog", "_logRoot")),
            size=self.read("ProvenanceLog", "_size"),
            map_root=evm.word(self.read("ProvenanceLog", "_mapRoot")),
            time=self.read("ProvenanceLog", "_timestamp"),
        )
        return present, evm.word(self.read("ProvenanceLog", "history"))

    def log_id(self) -> bytes:
        return evm.keccak(evm.word(self._chain_id) + evm.word(self._contracts["ProvenanceLog"]))

    def code_hash(self, contract: str) -> bytes:
        return self._account(contract).code_hash

    def read(self, contract: str, variable: str, *steps: str | int | bytes) -> int:
        """The proved value of a state variable, or of a part of it (`layout.Contract.place`)."""
        asked = (contract, variable, *steps)
        if asked not in self._values:
            place = layout.contracts()[contract].place(variable, *steps)
            self._values[asked] = place.of(self._word(contract, variable, place.slot))
        return self._values[asked]

    def _word(self, contract: str, variable: str, slot: int) -> int:
        try:
            return state.slot(self._account(contract).storage_root, slot, self._nodes)
        except state.NodeMissing as error:
            raise Ends(
                cannot_tell("verify.state-missing", "/state", contract=contract, what=variable)
            ) from error
        except state.ProofInvalid as error:
            raise Ends(failed("verify.state-invalid", "/state", contract=contract)) from error

    def _status(self, value: int) -> Status:
        if value > max(Status):
            raise Ends(failed("verify.state-invalid", "/state", contract="Receivables"))
        return Status(value)

    def _grant(self, account: bytes, place: tuple[str | int | bytes, ...]) -> Grant:
        def read(member: str) -> int:
            return self.read("Participants", str(place[0]), *place[1:], member)

        ended = self.read("Participants", "_epochEnds", account, read("epoch"))
        return Grant(
            scopes=read("scopes"),
            flags=read("flags"),
            start=read("from"),
            until=min(read("until"), ended or FOREVER),
        )

    def _length(self, contract: str, variable: str, *steps: str | int | bytes) -> int:
        length = self.read(contract, variable, *steps, layout.LENGTH)
        if length > _MOST_ITEMS:
            raise Ends(failed("verify.state-invalid", "/state", contract=contract))
        return length

    def _account(self, contract: str) -> state.Account:
        found = self._accounts.get(contract)
        if found is None:
            try:
                found = state.account(self._state_root, self._contracts[contract], self._nodes)
            except state.NodeMissing as error:
                raise Ends(
                    cannot_tell("verify.state-missing", "/state", contract=contract, what="account")
                ) from error
            except state.ProofInvalid as error:
                raise Ends(failed("verify.state-invalid", "/state", contract=contract)) from error
            self._accounts[contract] = found
        return found


class Explorer(StoredLedger):
    """Finds out which storage the checks will read: answers zero for what it does not know, and notes it.

    Run the checks, fetch proofs of `wanted`, and again with the larger set of nodes, until nothing is wanted.
    """

    def __init__(
        self, chain_id: int, state_root: bytes, contracts: Mapping[str, bytes], nodes: Mapping[bytes, bytes]
    ) -> None:
        super().__init__(chain_id, state_root, contracts, nodes)
        self.wanted: dict[str, set[int]] = {}

    def _word(self, contract: str, variable: str, slot: int) -> int:
        try:
            return super()._word(contract, variable, slot)
        except Ends as end:
            if end.finding.code != "verify.state-missing":
                raise
            self.wanted.setdefault(contract, set()).add(slot)
            return 0

    def _account(self, contract: str) -> state.Account:
        try:
            return super()._account(contract)
        except Ends as end:
            if end.finding.code == "verify.state-missing":
                self.wanted.setdefault(contract, set())
            raise
