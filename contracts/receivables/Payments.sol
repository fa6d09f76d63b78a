// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {Lifecycle} from "../libraries/Lifecycle.sol";
import {SCOPE_REDEEM} from "../types/Account.sol";
import {Status} from "../types/Receivable.sol";
import {STATE_ACCOUNTED, State} from "../types/State.sol";
import {Extended} from "./Extended.sol";
import {Ledger} from "./Ledger.sol";

/// @title How most are paid: in full, on time and at once, so that each unit is worth one and nothing is to be counted
/// @dev Whatever is otherwise goes through `Collections` of the extension, which has functions of the same name.
abstract contract Payments is Ledger, IReceivablesCore, Extended {
    /// @inheritdoc IReceivablesCore
    function pay(bytes32 id, uint64 amount) external returns (uint64 taken) {
        State state = _book.states[id].load();
        taken = state.face();
        if (
            amount < taken || state.flags() & STATE_ACCOUNTED != 0 || !Lifecycle.isOwed(state)
                || (state.lateRate() != 0 && block.timestamp > state.dueEnd())
        ) _extend();

        address payer = _signer();
        Lifecycle.settle(_book, id);
        emit Paid(id, payer, taken, 0, 0);

        _pull(_settlements[state.currency()], payer, taken);
    }

    /// @inheritdoc IReceivablesCore
    function redeem(bytes32 id, address account) external returns (uint64 face, uint64 interest) {
        State state = _book.states[id].load();
        if (state.status() != Status.Settled || state.flags() & STATE_ACCOUNTED != 0) _extend();

        address payout = _authorise(account, SCOPE_REDEEM, state.currency(), 0);
        face = _book.holders[id][account].load().units();
        interest = 0;
        if (face == 0) revert NothingDue(id);
        _burn(id, account, face);
        emit Redeemed(id, account, payout, face, 0);

        _push(_settlements[state.currency()], payout, face);
    }
}
