"""Title and money of a confirmed receivable: transfer, consent to receive, payment with its permit,
redemption.

Each prepares what the party signs; the chain decides. What it would refuse is refused here first, with a
sentence.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import outbox
from backend.chain.abi import Item
from backend.chain.actions import Actions, Signature
from backend.chain.contracts import Call
from backend.chain.repository import ActionRecord, Operation
from backend.kit.clock import now
from backend.kit.problems import Problem
from backend.parties.service import account_open, party_of_account
from backend.receivables import repository
from backend.receivables.currencies import admitted, for_new_business
from backend.receivables.desk import Desk, Scope
from backend.receivables.model import Status
from backend.receivables.repository import ReceivableState, SettlementCurrency

TRANSFER, PAY, REDEEM, PERMIT, CONSENT = (
    "receivable.transfer",
    "receivable.pay",
    "receivable.redeem",
    "token.permit",
    "account.consent",
)


class NotOnChain(Problem):
    """The receivable is not, or not yet, on the chain."""

    status, code = 409, "not-on-chain"


class NotConfirmed(Problem):
    """Only a confirmed receivable can be sold, split or paid."""

    status, code = 409, "not-confirmed"


class NotEnoughUnits(Problem):
    """The account holds fewer units."""

    status, code = 422, "not-enough-units"


class BelowMinimum(Problem):
    """A part smaller than the currency's minimum."""

    status, code = 422, "below-minimum"


class ReceiverUnknown(Problem):
    """No admitted account has that address."""

    status, code = 422, "receiver-unknown"


class ReceiverHasNotConsented(Problem):
    """The receiver takes claims only when asked."""

    status, code = 422, "receiver-has-not-consented"


class NothingToRedeem(Problem):
    """Nothing was paid on these units that was not collected."""

    status, code = 422, "nothing-to-redeem"


class MoreThanOwed(Problem):
    """A payment above what is owed."""

    status, code = 422, "more-than-owed"


class WalletNotSigner(Problem):
    """A permit is signed by the wallet whose money it is about."""

    status, code = 422, "wallet-not-signer"


_PERMIT = Item(
    "permit",
    tuple(
        {"name": name, "type": kind}
        for name, kind in (
            ("owner", "address"),
            ("spender", "address"),
            ("value", "uint256"),
            ("deadline", "uint256"),
            ("v", "uint8"),
            ("r", "bytes32"),
            ("s", "bytes32"),
        )
    ),
)


async def confirmed(desk: Desk, key: str) -> ReceivableState:
    """The receivable `key` as the chain has it, confirmed and not at its end. Raises NotOnChain,
    NotConfirmed."""
    state = await repository.state(desk.session, desk.ledger_id, key)
    if state is None:
        raise NotOnChain()
    if state.status not in {Status.CONFIRMED, Status.WRITTEN_OFF}:
        raise NotConfirmed(status=state.status)
    return state


async def currency_of(desk: Desk, state: ReceivableState) -> SettlementCurrency:
    """The settlement currency of a receivable."""
    rows = await admitted(desk.session, desk.ledger_id)
    return next(row for row in rows if row.token == state.token)


async def transfer(desk: Desk, key: str, giver: str, taker: str, units: int) -> ActionRecord:
    """Gives `units` of receivable `key` from the caller's account to another party's."""
    state = await confirmed(desk, key)
    held = await repository.holding(desk.session, desk.ledger_id, key, giver)
    if held is None or held.units < units or units <= 0:
        raise NotEnoughUnits(units=units, held=held.units if held else 0)
    currency = await currency_of(desk, state)
    if units < currency.minimum and units != held.units:
        raise BelowMinimum(units=units, minimum=currency.minimum)
    if await party_of_account(desk.session, desk.ledger_id, taker) is None:
        raise ReceiverUnknown(account=taker)
    if not await account_open(desk.session, desk.ledger_id, taker):
        raise ReceiverHasNotConsented(account=taker)
    return await desk.prepare_call(
        "Transfer",
        {"id": key, "from": giver, "to": taker, "units": units},
        kind=TRANSFER,
        subject=f"receivable:{key}",
        account=giver,
        scope=Scope.TRANSFER,
    )


async def consent(desk: Desk, account: str, *, is_open: bool) -> ActionRecord:
    """Says whether `account` takes claims without being asked each time."""
    return await desk.prepare_call(
        "SetStandingConsent",
        {"account": account, "open": is_open},
        kind=CONSENT,
        subject=f"account:{account}",
        account=account,
        scope=Scope.MANAGE,
    )


async def pay(desk: Desk, key: str, account: str, amount: int) -> ActionRecord:
    """Pays `amount` minor units out of the signer's wallet; only the debtor may pay less than the minimum."""
    state = await confirmed(desk, key)
    late = state.due_end < now() and state.terms["lateRate"]
    if amount <= 0 or (amount > state.unpaid and not late):
        raise MoreThanOwed(amount=amount, unpaid=state.unpaid)
    currency = await currency_of(desk, state)
    name, args = "Pay", {"id": key, "amount": amount}
    if amount < currency.minimum and amount < state.unpaid:
        if account != state.debtor:
            raise BelowMinimum(units=amount, minimum=currency.minimum)
        name, args = "PayAsDebtor", {"terms": state.terms, "lot": 0, "payment": amount}
    return await desk.prepare_call(
        name, args, kind=PAY, subject=f"receivable:{key}", account=account, scope=Scope.PAY
    )


async def redeem(desk: Desk, key: str, account: str) -> ActionRecord:
    """Collects for `account` what was paid on its units."""
    held = await repository.holding(desk.session, desk.ledger_id, key, account)
    if held is None or held.redeemable == 0:
        raise NothingToRedeem()
    return await desk.prepare_call(
        "Redeem",
        {"id": key, "account": account},
        kind=REDEEM,
        subject=f"receivable:{key}",
        account=account,
        scope=Scope.REDEEM,
    )


async def permit(desk: Desk, account: str, wallet: str, code: str, spender: str, amount: int) -> ActionRecord:
    """Lets a contract take `amount` minor units from `wallet` (EIP-2612), for payments or purchases it signs
    later.

    Wait for its operation before sending what spends it. Nonces of permits are used in order: one at a time.
    """
    currency = await for_new_business(desk.session, desk.ledger_id, code)
    subject = f"permit:{currency.token}:{wallet}"
    sent = (await desk.session.scalars(outbox.listing(desk.caller, subject=subject))).all()
    contract = desk.actions.contracts[spender]
    return await desk.prepare(
        "Permit",
        {
            "owner": wallet,
            "spender": contract.address,
            "value": amount * 10**currency.exponent,
            "nonce": sum(1 for each in sent if each.status in {outbox.PENDING, outbox.SUCCEEDED}),
        },
        kind=PERMIT,
        subject=subject,
        account=account,
        scope=Scope.PAY,
        effect={"wallet": wallet, "spender": contract.address, "value": str(amount * 10**currency.exponent)},
        token=currency.token,
    )


class PermitHandler:
    """Sends a signed permit to its token."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        actions.register(PERMIT, self.signed)

    async def signed(
        self, session: AsyncSession, action: ActionRecord, signatures: Sequence[Signature]
    ) -> Operation:
        """Raises WalletNotSigner when another key than the wallet's signed."""
        signer, raw = signatures[0].signer, bytes.fromhex(signatures[0].signature[2:])
        if signer != action.effect["wallet"]:
            raise WalletNotSigner(wallet=action.effect["wallet"], signer=signer)
        arguments: dict[str, Any] = {
            "owner": signer,
            "spender": action.effect["spender"],
            "value": int(action.effect["value"]),
            "deadline": int(action.effect["deadline"]),
            "v": raw[64],
            "r": "0x" + raw[:32].hex(),
            "s": "0x" + raw[32:64].hex(),
        }
        token = action.typed_data["domain"]["verifyingContract"]
        return await self.actions.enqueue(session, action, Call("Token", token, _PERMIT.encode(arguments)))
