// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesExtension} from "../interfaces/IReceivablesExtension.sol";
import {Accounting} from "../libraries/Accounting.sol";
import {Lifecycle} from "../libraries/Lifecycle.sol";
import {SCOPE_PAY, SCOPE_REDEEM} from "../types/Account.sol";
import {Money} from "../types/Book.sol";
import {Status} from "../types/Receivable.sol";
import {Settlement} from "../types/Settlement.sol";
import {STATE_ACCOUNTED, State} from "../types/State.sol";
import {Terms} from "../types/Terms.sol";
import {Ledger} from "./Ledger.sol";

/// @title How money comes in in parts, early, late, by others, and goes out to whoever held the units
abstract contract Collections is Ledger, IReceivablesExtension {
    /// See `IReceivablesCore.pay`.
    function pay(bytes32 id, uint64 amount) external returns (uint64 taken) {
        return _pay(id, amount, false);
    }

    /// @inheritdoc IReceivablesExtension
    function payAsDebtor(Terms calldata terms, uint8 lot, uint64 payment) external returns (uint64 taken) {
        bytes32 id = _partId(terms.hash(), lot);
        _authorise(terms.debtor, SCOPE_PAY, _book.states[id].load().currency(), payment);
        return _pay(id, payment, true);
    }

    /// See `IReceivablesCore.redeem`.
    function redeem(bytes32 id, address account) external returns (uint64 face, uint64 interest) {
        State state = _book.states[id].load();
        address payout = _authorise(account, SCOPE_REDEEM, state.currency(), 0);
        bool had;
        (face, interest, had) = _collect(id, state, account, payout);
        if (!had) revert NothingDue(id);

        _push(_settlements[state.currency()], payout, uint256(face) + interest);
    }

    /// @inheritdoc IReceivablesExtension
    function redeemMany(bytes32[] calldata ids, address account) external {
        if (ids.length == 0) revert ArgumentInvalid();
        uint32 currency = _book.states[ids[0]].load().currency();
        address payout = _authorise(account, SCOPE_REDEEM, currency, 0);
        uint256 sum;
        for (uint256 i = 0; i < ids.length; ++i) {
            State state = _book.states[ids[i]].load();
            if (state.currency() != currency) revert ArgumentInvalid();
            (uint64 face, uint64 interest,) = _collect(ids[i], state, account, payout);
            sum += uint256(face) + interest;
        }

        _push(_settlements[currency], payout, sum);
    }

    /// @inheritdoc IReceivablesExtension
    function due(bytes32 id) external view returns (uint64 face, uint64 interest) {
        if (!Lifecycle.isOwed(_book.states[id].load())) return (0, 0);
        (face,,,) = Accounting.sums(_book, id);
        interest = Accounting.interestOwed(_book, id);
    }

    function _pay(bytes32 id, uint64 amount, bool asDebtor) private returns (uint64 taken) {
        State state = _book.states[id].load();
        if (!Lifecycle.isOwed(state)) revert StatusIs(id, state.status());
        Settlement settlement = _settlements[state.currency()];
        address payer = _signer();
        (uint64 face, uint64 interest, uint64 unpaid, bool settled) = Accounting.pay(_book, id, amount);
        taken = face + interest;
        if (taken == 0) revert NothingDue(id);
        if (!asDebtor && !settled && taken < settlement.minimum()) {
            revert BelowMinimum(taken, settlement.minimum());
        }
        if (settled) Lifecycle.settle(_book, id);
        emit Paid(id, payer, face, interest, unpaid, settled);

        _pull(settlement, payer, taken);
    }

    /// Takes out what the account can redeem, and its units once nothing more can come for them. `had` says whether it
    /// had any money, or any units that are now paid up.
    function _collect(bytes32 id, State state, address account, address payout)
        private
        returns (uint64 face, uint64 interest, bool had)
    {
        bool settled = state.status() == Status.Settled;
        uint64 units = _book.holder(id, account).units();
        if (state.flags() & STATE_ACCOUNTED == 0) {
            if (!settled) return (0, 0, false);
            face = units;
        } else {
            Money storage money = _book.money[id][account];
            if (units == 0 && money.face == 0 && money.interest == 0) return (0, 0, false);
            (face, interest) = Accounting.collect(_book, id, account, settled);
        }
        if (settled && units != 0) {
            _burn(id, account, units);
            had = true;
        }
        had = had || face != 0 || interest != 0;
        if (had) emit Redeemed(id, account, payout, face, interest);
    }
}
