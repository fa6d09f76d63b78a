// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {Lifecycle} from "../libraries/Lifecycle.sol";
import {SCOPE_REDEEM} from "../types/Account.sol";
import {Status} from "../types/Receivable.sol";
import {State} from "../types/State.sol";
import {Extended} from "./Extended.sol";
import {Ledger} from "./Ledger.sol";

/// @title How most are paid: in full, on time and at once, so that each unit is worth one and nothing is to be counted
/// @dev Whatever is otherwise goes through `Collections` of the extension, which has functions of the same name.
abstract contract Payments is Ledger, IReceivablesCore, Extended {
    /// @inheritdoc IReceivablesCore
    function pay(bytes32 id, uint64 amount) external returns (uint64 taken) {
        State state = _book.states[id].load();
        taken = state.face();
        if (amount < taken || !state.isPlain() || (state.lateRate() != 0 && block.timestamp > state.dueEnd()))
        {
            _extend();
        }

        address payer = _signer();
        Lifecycle.transition(_book, id, state, Status.Settled);
        _emitPaid(id, payer, taken);

        _pull(_settlements[state.currency()], payer, taken);
    }

    /// @inheritdoc IReceivablesCore
    function redeem(bytes32 id, address account) external returns (uint64 face, uint64 interest) {
        State state = _book.states[id].load();
        if (state.status() != Status.Settled || state.isAccounted()) _extend();

        address payout = _authorise(account, SCOPE_REDEEM, state.currency(), 0);
        face = _book.holder(id, account).units();
        interest = 0;
        if (face == 0) revert NothingDue(id);
        _burn(id, account, face);
        _emitRedeemed(id, account, payout, face);

        _push(_settlements[state.currency()], payout, face);
    }

    /// `Paid`, by a payment of all in one.
    function _emitPaid(bytes32 id, address payer, uint64 face) private {
        bytes32 topic = Paid.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, and(face, 0xffffffffffffffff))
            mstore(add(data, 0x20), 0) // interest
            mstore(add(data, 0x40), 0) // unpaid
            mstore(add(data, 0x60), 1) // settled
            log3(data, 0x80, topic, id, shr(96, shl(96, payer)))
        }
    }

    /// `Redeemed`, without interest.
    function _emitRedeemed(bytes32 id, address account, address payout, uint64 face) private {
        bytes32 topic = Redeemed.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, shr(96, shl(96, payout)))
            mstore(add(data, 0x20), and(face, 0xffffffffffffffff))
            mstore(add(data, 0x40), 0) // interest
            log3(data, 0x60, topic, id, shr(96, shl(96, account)))
        }
    }
}
