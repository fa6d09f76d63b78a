"""What the provenance room must know of its ledger: the log's contract, its id, its key, its promises."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from backend.chain.contracts import Contracts
from backend.kit.settings import Settings
from backend.provenance.log.notes import Signer, load_key
from backend.verifier import checkpoint

CONTRACT: Final = "ProvenanceLog"


@cache
def log_id_of(chain_id: int, contract: bytes) -> bytes:
    """The id the contract gives itself: keccak256(abi.encode(chain id, contract))."""
    return bytes(keccak(encode(["uint256", "address"], [chain_id, "0x" + contract.hex()])))


@dataclass(frozen=True, slots=True)
class LogConfig:
    """One log: the contract that holds its heads, and who speaks for it off the chain."""

    chain_id: int
    contract: bytes
    """The contract's address, 20 bytes."""
    signer: Signer
    """The log's own key: signs receipts and checkpoints, moves nothing."""
    anchor_every: timedelta = timedelta(seconds=10)
    """How long a leaf waits at most until a head that covers it is made."""
    anchor_at: int = 10_000
    """As many new leaves make a head at once."""
    block: int = 1
    """A head covers a multiple of so many leaves, filled up with leaves that record nothing. Above 1 a head
    comes at every tick of the clock, whether anything waits or not, and never in between: how much is
    recorded does not show on the chain while it fits the block."""
    longest_delay: timedelta = timedelta(hours=1)
    """What a receipt promises: by then a head that covers the leaf is on the chain."""

    watched_for: timedelta = timedelta(days=7)
    """How much longer an event is kept at least, so that whoever looks at the log so often has seen it."""

    @property
    def erasable_after(self) -> timedelta:
        """How old an event is at least when it is forgotten."""
        return self.longest_delay + self.watched_for

    @property
    def log_id(self) -> bytes:
        """The id the contract gives itself."""
        return log_id_of(self.chain_id, self.contract)

    @property
    def origin(self) -> str:
        """The log's name in checkpoints."""
        return checkpoint.origin(self.chain_id, self.contract)


def log_config(settings: Settings, contracts: Contracts) -> LogConfig | None:
    """The ledger's log, or None when its deployment has no `ProvenanceLog`."""
    if CONTRACT not in contracts:
        return None
    contract = bytes.fromhex(contracts[CONTRACT].address[2:])
    name = checkpoint.origin(contracts.chain_id, contract)
    key = load_key(settings.data_directory / "log-key")
    return LogConfig(
        contracts.chain_id,
        contract,
        Signer(name, key),
        anchor_every=timedelta(seconds=settings.anchor_seconds),
        block=settings.anchor_block,
    )
