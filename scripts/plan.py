"""What a ledger consists of: its contracts in order, who may call what, and how they are tied together.

Everything a deployment does is written here; `deploy.py` only carries it out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
    at_once: bool = False  # needs no delay: a stop that has to wait is none


ADMINISTRATOR = Role(0, "administrator", {})
"""The AccessManager's own role, which gives all others: without a delay of its own, theirs mean nothing."""

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
        at_once=True,
    ),
)


def shortcuts(settings: dict[str, Any]) -> Iterator[str]:
    """What in the settings of a deployment is right for a test chain and wrong where there is real money."""
    for role in (ADMINISTRATOR, *ROLES):
        if not role.at_once and settings["role_delays"][role.name] <= 0:
            yield f"role_delays.{role.name} is zero: whoever steals that key acts at once"
    for name, seconds in settings["delays"].items():
        if seconds <= 0:
            yield f"delays.{name} is zero: nobody could object in time"
    if settings["roles"]["registrar"] == settings["roles"]["supervisor"]:
        yield "roles.registrar and roles.supervisor are one: it could take any account over"
    for currency in settings["currencies"]:
        if "token" not in currency:
            yield f"{currency['code']} has no token, and a test token is worth nothing"
