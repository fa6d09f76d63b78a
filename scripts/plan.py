"""What a ledger consists of: its contracts in order, who may call what, and how they are tied together.

Everything a deployment does is written here; `deploy.py` only carries it out.
"""

from dataclasses import dataclass

CONTRACTS = (
    "Governance",
    "Participants",
    "Fingerprints",
    "ReceivablesRemedies",
    "ReceivablesExtension",
    "Receivables",
    "Financing",
    "ProvenanceLog",
)
"""In the order of deployment: a constructor can name only contracts that stand before its own."""

PARTS = {"Receivables": ("ReceivablesExtension", "ReceivablesRemedies")}
"""Contracts that run the code of others in their own storage: their ABI is that of all together."""

ACTIVE = 1
"""`OperatorState.Active`: Financing may sell."""

ARGUMENTS = {
    "admin": "deployer",
    "authority": "Governance",
    "manager": "Governance",
    "participants": "Participants",
    "fingerprints": "Fingerprints",
    "receivables": "Receivables",
    "receivablesExtension": "ReceivablesExtension",
    "receivablesRemedies": "ReceivablesRemedies",
    "payoutDelay": "delays.payout",
    "takeoverDelay": "delays.takeover",
}
"""What a constructor's parameter of this name is given: a contract, a key, or a setting."""


@dataclass(frozen=True)
class Role:
    """A role of the AccessManager and the functions it may call. None can move a claim."""

    id: int
    name: str
    functions: dict[str, tuple[str, ...]]


ROLES = (
    Role(
        1,
        "registrar",  # admits parties on evidence
        {"Participants": ("admit", "renew", "proposeTakeover", "withdrawTakeover")},
    ),
    Role(
        2,
        "supervisor",  # another organisation: freezes, and is the second hand of a takeover
        {"Participants": ("suspend", "liftSuspension", "approveTakeover")},
    ),
    Role(
        3,
        "steward",  # keeps the ledger's settings
        {
            "Fingerprints": ("recordWriter", "retireWriter", "changeKeys"),
            "Receivables": ("admitCurrency", "setCurrency", "setOperator"),
            "ProvenanceLog": ("setAnchorer",),
        },
    ),
    Role(
        4,
        "guardian",  # stops new business, never payment or redemption
        {"Receivables": ("pause", "unpause")},
    ),
)
