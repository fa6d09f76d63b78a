"""The terms of a receivable, what their debtor signs, and the id that follows from them.

The types are those of `contracts/types/Terms.sol`; a test compares them with the compiled contracts.
"""

from dataclasses import asdict, dataclass

from backend.verifier import typed_data

TERMS_TYPE = (
    "Terms(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,"
    "uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,"
    "bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules)"
)
CONFIRMATION_TYPE = "Confirmation(string statement,Terms terms,uint256 nonce,uint256 deadline)" + TERMS_TYPE
REPLACEMENT_TYPE = (
    "Replacement(string statement,bytes32 replaced,Terms terms,uint256 nonce,uint256 deadline)" + TERMS_TYPE
)
DOMAIN_NAME = "Tallystick Receivables"

ACKNOWLEDGED, IRREVOCABLE = 0, 1
_NOTICE = "I take notice of every assignment recorded here; only payment recorded here discharges me."
_IRREVOCABLY = "irrevocably, without defence and without set-off"
STATEMENTS = (
    f"I owe this amount and will pay it here. {_NOTICE}",
    f"I owe this amount and will pay it here to whoever holds it, {_IRREVOCABLY}. {_NOTICE}",
)


@dataclass(frozen=True)
class Terms:
    """What the debtor signs, by the names of the contract. Amount in minor units; times in Unix seconds."""

    supplier: bytes
    debtor: bytes
    token: bytes
    currency: str
    amount: int
    dueEnd: int  # noqa: N815  (the contract's names, so that nothing is renamed on the way)
    graceDays: int  # noqa: N815
    lateRate: int  # noqa: N815
    undertaking: int
    paymentOrder: int  # noqa: N815
    keySet: int  # noqa: N815
    fingerprint: bytes
    otherFingerprints: bytes  # noqa: N815
    documentRoot: bytes  # noqa: N815
    rules: bytes

    def id(self) -> bytes:
        """The receivable's id: the EIP-712 `hashStruct` of its terms."""
        return typed_data.hash_struct(TERMS_TYPE, self._values())

    def confirmation_digest(
        self, domain: typed_data.Domain, nonce: int, deadline: int, replaced: bytes | None = None
    ) -> bytes:
        """What the debtor signs to confirm, or to let these terms take the place of `replaced`."""
        values = {
            "statement": STATEMENTS[self.undertaking],
            "terms": self._values(),
            "nonce": nonce,
            "deadline": deadline,
        }
        if replaced is None:
            return domain.digest(typed_data.hash_struct(CONFIRMATION_TYPE, values))
        return domain.digest(typed_data.hash_struct(REPLACEMENT_TYPE, values | {"replaced": replaced}))

    def _values(self) -> dict[str, object]:
        return asdict(self) | {"currency": self.currency.encode("ascii")}
