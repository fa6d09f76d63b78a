"""The accounts and keys of parties, folded from the events of `Participants`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.projections import Event
from backend.kit import bulk
from backend.kit.clock import from_unix
from backend.parties.repository import AccountRecord, Grant

_FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_FOREVER_SECONDS = int(_FOREVER.timestamp())


def moment(seconds: int) -> datetime:
    """A contract's second as a moment; the contract's "end of time" is the last one a datetime can hold."""
    return _FOREVER if seconds >= _FOREVER_SECONDS else from_unix(seconds)


def fold(events: Sequence[Event]) -> tuple[dict[str, Any] | None, dict[str, dict[str, Any]]]:
    """An account's state (None if it is no account) and its keys' present grants, from all its events."""
    account: dict[str, Any] | None = None
    grants: dict[str, dict[str, Any]] = {}
    for event in events:
        args = event.args
        if event.name == "AccountAdmitted":
            account = {
                "commitment": args["commitment"],
                "roles": args["roles"],
                "valid_until": moment(args["validUntil"]),
                "suspended": False,
                "hosted": args["hosted"],
                "open": False,
                "epoch": 0,
                "payout": None,
            }
        elif event.name == "KeyGranted":
            grants[args["key"]] = _grant(args["grant"])
        elif event.name == "KeyRevoked" and args["key"] in grants:
            grants[args["key"]]["ends_at"] = moment(args["until"])
        elif account is not None:
            account |= _change(event)
    if account is not None:
        # A key granted in an earlier epoch than the latest is void; the latest shows in the grants
        # themselves.
        epochs = [account["epoch"], *(grant["epoch"] for grant in grants.values())]
        account["epoch"] = max(epochs)
    return account, grants


def _grant(grant: Any) -> dict[str, Any]:
    return {
        "scopes": grant["scopes"],
        "epoch": grant["epoch"],
        "starts_at": moment(grant["from"]),
        "ends_at": moment(grant["until"]),
        "amount_limit": grant["limit"],
        "alone_limit": grant["alone"],
    }


def _change(event: Event) -> dict[str, Any]:
    args = event.args
    match event.name:
        case "AccountRenewed":
            return {"roles": args["roles"], "valid_until": moment(args["validUntil"])}
        case "AccountSuspended":
            return {"suspended": True}
        case "SuspensionLifted":
            return {"suspended": False}
        case "StandingConsentSet":
            return {"open": args["open"]}
        case "PayoutChanged":
            return {"payout": args["payout"]}
        case "TakeoverDone":
            return {"epoch": args["epoch"]}
        case _:
            return {}


class Accounts:
    """The projection: one key an account."""

    name = "accounts"

    def subjects(self, event: Event) -> Iterable[str]:
        """The account an event of Participants is about."""
        return [event.args["account"]] if event.contract == "Participants" and "account" in event.args else []

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        """Replaces the accounts' rows and their grants."""
        for table in (Grant, AccountRecord):
            concerned = bulk.among(session, table.account, events)
            await session.execute(delete(table).where(table.ledger_id == ledger_id, concerned))
        accounts: list[dict[str, Any]] = []
        granted: list[dict[str, Any]] = []
        for key, own in events.items():
            account, grants = fold(own)
            if account is None:
                continue
            owner = {"ledger_id": ledger_id, "account": key}
            accounts.append(owner | account)
            granted += [owner | {"key": each} | grant for each, grant in grants.items()]
        await bulk.insert(session, AccountRecord, accounts)
        await bulk.insert(session, Grant, granted)
