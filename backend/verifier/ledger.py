"""What the contracts hold, as the checks ask for it. `storage.py` answers from proofs; nothing else does."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

ROLE_SUPPLIER, ROLE_DEBTOR, ROLE_FUNDER, ROLE_RECORDER = (1 << bit for bit in range(4))
SCOPE_CONFIRM, SCOPE_RECORD = 1 << 2, 1 << 9
ACCOUNT_SUSPENDED, ACCOUNT_OPEN, ACCOUNT_HOSTED = (1 << bit for bit in range(3))
GRANT_HOSTED = 1 << 1


class Status(IntEnum):
    """`contracts/types/Receivable.sol`."""

    NONE = 0
    ISSUED = 1
    CONFIRMED = 2
    SETTLED = 3
    CANCELLED = 4
    REPLACED = 5
    WRITTEN_OFF = 6


@dataclass(frozen=True)
class ReceivableState:
    """A receivable as it stands; amounts in minor units, times in Unix seconds."""

    status: Status
    confirmed_at: int
    due_end: int
    face: int
    unpaid: int
    units: int
    disputed: bool


@dataclass(frozen=True)
class Stretch:
    """A stretch of an admission or suspension, from `start` up to but not including `until`."""

    start: int
    until: int
    roles: int = 0

    def covers(self, time: int) -> bool:
        return self.start <= time < self.until


@dataclass(frozen=True)
class Grant:
    """What a key may do for an account, from `start` up to but not including `until`."""

    scopes: int
    flags: int
    start: int
    until: int

    def allows(self, scope: int, time: int) -> bool:
        return bool(self.scopes & scope) and self.start <= time < self.until


@dataclass(frozen=True)
class AccountState:
    """An account as it stands, with its whole history."""

    flags: int
    valid_until: int
    roles: int
    admissions: tuple[Stretch, ...]
    suspensions: tuple[Stretch, ...]
    takeover_pending: bool
    payout_pending: bool

    def admitted(self, role: int, time: int) -> bool:
        """Whether it was admitted for the role, and not suspended, at that second."""
        return any(a.covers(time) and a.roles & role for a in self.admissions) and not any(
            s.covers(time) for s in self.suspensions
        )


@dataclass(frozen=True)
class Head:
    """A head of the log; `time` is the block's it was anchored in."""

    log_root: bytes
    size: int
    map_root: bytes
    time: int


class Ledger(Protocol):
    """Questions to the contracts' storage at the block. Each may end the check: the proof is not there."""

    def __hash__(self) -> int: ...

    def receivable(self, id_: bytes) -> ReceivableState: ...

    def units(self, id_: bytes, account: bytes) -> int: ...

    def account(self, account: bytes) -> AccountState: ...

    def grants(self, account: bytes, key: bytes) -> tuple[Grant, ...]:
        """Every grant the key ever had for the account, the present one last."""

    def slot(self, debtor: bytes, fingerprint: bytes) -> bytes:
        """Id that the fingerprint's slot points to; zeros where it is free."""

    def fingerprint_keys(self, key_set: int) -> tuple[bytes, ...]: ...

    def head(self) -> tuple[Head, bytes]:
        """The present head, and the rolling hash of all heads up to it."""

    def log_id(self) -> bytes: ...

    def code_hash(self, contract: str) -> bytes:
        """Hash of a contract's runtime code."""
