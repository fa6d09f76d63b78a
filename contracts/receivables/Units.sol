// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Accounting} from "../libraries/Accounting.sol";
import {CLOSED_BY_PAUSE, Settlement} from "../types/Settlement.sol";
import {HOLDER_MARKED, HOLDER_SOLD, Holder} from "../types/Holder.sol";
import {OperatorState, Parcel, Status} from "../types/Receivable.sol";
import {STATE_LOT, State} from "../types/State.sol";
import {Ledger} from "./Ledger.sol";

/// @title How units move, whoever asks
abstract contract Units is Ledger {
    modifier onlyActiveOperator() {
        if (_operators[msg.sender] != OperatorState.Active) revert NotOperator(msg.sender);
        _;
    }

    function _checkParcel(Parcel calldata parcel, address from, bool acceptDispute)
        internal
        view
        returns (Settlement currency)
    {
        bytes32 id = parcel.id;
        State state = _book.states[id].load();
        if (state.openDisputes() != 0 && !acceptDispute) revert UnderDispute(id);
        _checkTransferable(id, state);
        currency = _settlements[state.currency()];
        _checkPart(id, from, parcel.units, currency);
        uint64 unpaid = Accounting.carried(_book, id, parcel.units);
        if (unpaid < parcel.minUnpaid) revert PaidSince(id, unpaid, parcel.minUnpaid);
    }

    function _checkTransferable(bytes32 id, State state) internal pure {
        if (state.status() != Status.Confirmed) revert StatusIs(id, state.status());
        if (state.flags() & STATE_LOT != 0) revert LotNotTransferable(id);
    }

    /// New business must not be paused, and a part must be at least the currency's minimum; all that is free may go.
    function _checkPart(bytes32 id, address from, uint64 units, Settlement currency) internal view {
        if (currency.closed() & CLOSED_BY_PAUSE != 0) revert NewBusinessPaused();
        uint64 free = _checkFree(id, from, units);
        if (units != free && units < currency.minimum()) revert BelowMinimum(units, currency.minimum());
    }

    function _checkFree(bytes32 id, address from, uint64 units) internal view returns (uint64 free) {
        free = _free(id, from);
        if (units > free) revert NotEnoughUnits(id, from, free, units);
        if (units == 0) revert ArgumentInvalid();
    }

    /// Units that the account may part with.
    function _free(bytes32 id, address account) internal view returns (uint64) {
        Holder holder = _book.holders[id][account].load();
        if (holder.flags() & HOLDER_MARKED == 0) return holder.units();
        return holder.units() - _book.rare[id][account].marked;
    }

    /// Moves units; the caller checked that they are free. What went through a sale stays marked so, with whatever it is
    /// mixed with.
    /// @return sent The receiver's count of units sent before.
    function _move(bytes32 id, address from, address to, uint64 units, uint32 mark)
        internal
        returns (uint64 sent)
    {
        Accounting.count(_book, id, from);
        Holder holder = _book.holders[id][from].load();
        if (from == to) return holder.sent();
        Accounting.count(_book, id, to);
        mark |= holder.flags() & HOLDER_SOLD;
        if (holder.flags() & HOLDER_SOLD != 0) {
            uint64 room = type(uint64).max - holder.sent();
            holder = holder.withSent(holder.sent() + (units < room ? units : room));
        }
        _book.holders[id][from].store(holder.withUnits(holder.units() - units));

        if (holder.units() == units) Accounting.sweep(_book, id, from);

        holder = _book.holders[id][to].load();
        sent = holder.sent();
        holder = holder.withUnits(holder.units() + units);
        _book.holders[id][to].store(holder.withFlags(holder.flags() | mark));
    }
}
