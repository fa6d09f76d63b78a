"""Signatures that come back: checked, added to their actions, and what is signed by all is set going.

Several at once, in one transaction, each taken or refused for itself (see `kit/together.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import actions, typed
from backend.chain.actions import ActionClosed, Actions, Signature, SignedAction
from backend.chain.repository import ActionRecord, Operation
from backend.kit.access import Caller, Role
from backend.kit.clock import now
from backend.kit.problems import FieldError, NotFound, Problem


class ActionExpired(Problem):
    """The time for signing has passed."""

    status, code = 410, "action-expired"


class SignatureMalformed(Problem):
    """The text is no signature of the form r, s, v in 65 bytes with a low s."""

    status, code = 422, "signature-malformed"


class SignerNotAuthorised(Problem):
    """The signature is good, but its key may not do this for the account."""

    status, code = 403, "signer-not-authorised"


class AlreadySignedBy(Problem):
    """Two different keys have to sign; this one did already."""

    status, code = 409, "already-signed-by"


@dataclass(frozen=True, slots=True)
class Brought:
    """A signature somebody brings for an action."""

    caller: Caller
    action_id: UUID
    signature: str


@dataclass(frozen=True, slots=True)
class Taken:
    """An action that has one signature more, and the operation it set going, if that was the last."""

    action: ActionRecord
    operation: Operation | None


async def take(
    mechanism: Actions, session: AsyncSession, brought: Sequence[Brought]
) -> list[Taken | Problem]:
    """Takes signatures; for each what came of it, or why it is refused.

    Refusals: NotFound, Forbidden, ActionClosed, ActionExpired, SignatureMalformed, SignerNotAuthorised,
    AlreadySignedBy, and those of what was to be set going.
    """
    rows = await actions.lock_all(session, [each.action_id for each in brought])
    found: dict[int, Taken | Problem] = {}
    waiting = list(range(len(brought)))
    while waiting:
        # Of several signatures of one action each is judged by what the one before it has left.
        firsts = {brought[place].action_id: place for place in reversed(waiting)}
        places = sorted(firsts.values())
        outcomes = await _take(mechanism, session, [brought[place] for place in places], rows)
        found |= dict(zip(places, outcomes, strict=True))
        waiting = [place for place in waiting if place not in found]
    return [found[place] for place in range(len(brought))]


async def _take(
    mechanism: Actions, session: AsyncSession, brought: Sequence[Brought], rows: dict[UUID, ActionRecord]
) -> list[Taken | Problem]:
    """Takes at most one signature of each action."""
    found: list[Taken | Problem | None] = [None] * len(brought)
    complete: list[int] = []
    allowed: dict[tuple[object, ...], bool] = {}
    for place, each in enumerate(brought):
        action = rows.get(each.action_id)
        try:
            if action is None or not actions.owns(each.caller, action):
                raise NotFound()
            signer = _signer(each, action)
            right = (action.ledger_id, action.account, signer, action.scope)
            if right not in allowed:
                allowed[right] = await mechanism.may_sign(session, *right)
            if not allowed[right]:
                raise SignerNotAuthorised(signer=signer, account=action.account)
            if any(known["signer"] == signer for known in action.signatures):
                raise AlreadySignedBy(signer=signer)
        except Problem as problem:
            found[place] = problem
            continue
        action.signatures = [*action.signatures, {"signer": signer, "signature": each.signature}]
        if len(action.signatures) < action.signatures_needed:
            found[place] = Taken(action, None)
        else:
            complete.append(place)
    signed = [_with_signatures(rows[brought[place].action_id]) for place in complete]
    for place, (action, _), done in zip(
        complete, signed, await mechanism.carry_out(session, signed), strict=True
    ):
        if isinstance(done, Problem):
            action.signatures = action.signatures[:-1]
            found[place] = done
            continue
        action.status, action.signed_at = "signed", now()
        action.operation_id = done.id if done else None
        found[place] = Taken(action, done)
    await session.flush()
    return [each for each in found if each is not None]


def _signer(brought: Brought, action: ActionRecord) -> str:
    """Who made the signature, if the action can still be signed."""
    brought.caller.require(Role.CHECKER)
    if action.status != "prepared":
        raise ActionClosed(status=action.status)
    if action.expires_at <= now():
        raise ActionExpired(expires_at=action.expires_at.isoformat())
    try:
        return typed.recover(bytes.fromhex(action.digest[2:]), brought.signature)
    except typed.SignatureFormError as error:
        raise SignatureMalformed(errors=[FieldError("/signature", "malformed", detail=str(error))]) from error


def _with_signatures(action: ActionRecord) -> SignedAction:
    return action, [Signature(each["signer"], each["signature"]) for each in action.signatures]
