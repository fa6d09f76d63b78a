"""Every statement a participant of this ledger can sign, as the contracts type-hash it (EIP-712
`encodeType`).

This table is the signer's own: it is compared with the compiled contracts by a test, and nothing a server
sends can add to it. What is not here cannot be put into words here, and so is not signed.
"""

import re
from dataclasses import dataclass
from functools import cached_property

TOKEN = "a settlement token"  # noqa: S105 -- no secret
"""Stands for the settlement token where a statement's verifying contract is one (EIP-2612)."""

_STRUCT = re.compile(r"(\w+)\(([^()]*)\)")


@dataclass(frozen=True)
class Statement:
    """One kind of signed statement: the contract that checks it (its name in the deployment record) and its
    type."""

    contract: str
    type: str

    @cached_property
    def structs(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """Members (name, type) of each struct in the type; the statement's own struct comes first."""
        return {
            name: tuple((member.split(" ")[1], member.split(" ")[0]) for member in members.split(","))
            for name, members in _STRUCT.findall(self.type)
        }

    @property
    def name(self) -> str:
        """The primary type."""
        return self.type.partition("(")[0]

    @property
    def members(self) -> tuple[tuple[str, str], ...]:
        """Name and type of each member of the primary type, in order."""
        return self.structs[self.name]


TERMS = (
    "address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,"
    "uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,"
    "bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules"
)
"""The members of `contracts/types/Terms.sol`, which an action signs flat and a confirmation as a struct."""

PARCEL = "Parcel(bytes32 id,uint64 units,uint64 minUnpaid)"
OFFER = (
    "Offer(address buyer,address seller,Parcel[] parcels,address token,uint64 price,uint64 reserve,"
    "uint8 recourse,uint64 repurchasePrice,bool acceptDispute,bytes32 agreement,bytes32 law,uint32 lockTime,"
    "uint40 expiry,address signer,uint256 salt)"
)
"""A buyer's offer (`contracts/types/Sale.sol`) and the units it is for."""

_RELAYED = "uint256 nonce,uint256 deadline,uint256 gasFloor"
_BOUND = "uint256 nonce,uint256 deadline"


def _action(contract: str, name: str, arguments: str) -> Statement:
    """An action that is relayed: the function's arguments, then what ends every signed action."""
    return Statement(contract, f"{name}({arguments},{_RELAYED})")


def _of_offer(name: str, arguments: str = "") -> Statement:
    """A relayed action about an offer: the offer, then further arguments, each with its comma."""
    return Statement("Financing", f"{name}(Offer offer,{arguments}{_RELAYED}){OFFER}{PARCEL}")


_ALL = (
    _action("Receivables", "Issue", TERMS),
    _action("Receivables", "IssueAndConfirm", TERMS),
    Statement("Receivables", f"Confirmation(string statement,Terms terms,{_BOUND})Terms({TERMS})"),
    _action("Receivables", "Cancel", f"{TERMS},bytes32 reason"),
    _action("Receivables", "Reject", f"{TERMS},bytes32 reason"),
    _action("Receivables", "Transfer", "bytes32 id,address from,address to,uint64 units"),
    _action("Receivables", "AllowReceipt", "bytes32 id,address account,uint64 units"),
    _action("Receivables", "Pay", "bytes32 id,uint64 amount"),
    _action("Receivables", "PayAsDebtor", f"{TERMS},uint8 lot,uint64 payment"),
    _action("Receivables", "Redeem", "bytes32 id,address account"),
    _action("Receivables", "Dispute", f"{TERMS},uint64 disputed,bytes32 reason"),
    _action("Receivables", "EndDispute", f"{TERMS},uint8 lot"),
    _action("Receivables", "IssueCreditNote", f"{TERMS},uint8 lot,uint64 total,bytes32 note"),
    _action("Receivables", "JoinCreditNote", "bytes32 id,address account,bytes32 note,uint64 amount"),
    _action(
        "Receivables", "CloseOutside", "bytes32 id,address account,uint64 amount,bytes32 paymentReference"
    ),
    _action("Receivables", "WaiveInterest", "bytes32 id,address account,bool waived"),
    _action("Receivables", "WriteOff", "bytes32 id,address account"),
    _action("Participants", "SetStandingConsent", "address account,bool open"),
    Statement("Financing", OFFER + PARCEL),
    _of_offer("Accept", "uint64 minPrice,"),
    _of_offer("CancelOffer"),
    _of_offer("AcknowledgeCash", "bytes32 paymentReference,"),
    _of_offer("DemandWarranty", "uint256 parcel,bytes32 evidence,"),
    _of_offer("AnswerWarranty", "uint256 parcel,bool admitted,bytes32 answer,"),
    _of_offer("PerformRecourse", "uint256 parcel,bool warranty,uint64 maxPrice,"),
    Statement("ProvenanceLog", "Capture(bytes32 logId,address account,bytes32 document)"),
    Statement(TOKEN, f"Permit(address owner,address spender,uint256 value,{_BOUND})"),
)

STATEMENTS = {statement.name: statement for statement in _ALL}
"""Every statement by its primary type."""

ACKNOWLEDGED = (
    "I owe this amount and will pay it here. I take notice of every assignment recorded here; only payment "
    "recorded here discharges me."
)
IRREVOCABLE = (
    "I owe this amount and will pay it here to whoever holds it, irrevocably, without defence and without "
    "set-off. I take notice of every assignment recorded here; only payment recorded here discharges me."
)
UNDERTAKINGS = (ACKNOWLEDGED, IRREVOCABLE)
"""The sentence in a confirmation, by the undertaking's number (`contracts/types/Terms.sol`)."""
