// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Accounting} from "../libraries/Accounting.sol";
import {CLOSED_BY_PAUSE, Settlement} from "../types/Settlement.sol";
import {HOLDER_MARKED, HOLDER_SOLD, Holder, HolderSlot, MainHolder, mainHolder} from "../types/Holder.sol";
import {OperatorState, Parcel, Status} from "../types/Receivable.sol";
import {STATE_ACCOUNTED, STATE_LOT, State} from "../types/State.sol";
import {Ledger} from "./Ledger.sol";

/// @title How units move, whoever asks
abstract contract Units is Ledger {
    modifier onlyActiveOperator() {
        _checkActiveOperator();
        _;
    }

    /// Checks the state a buyer bound its offer to.
    function _checkParcel(bytes32 id, uint256 units, uint256 minUnpaid, bool acceptDispute)
        internal
        view
        returns (State state)
    {
        state = _book.states[id].load();
        uint256 unpaid = units;
        if (!state.isPlain()) {
            if (state.openDisputes() != 0 && !acceptDispute) revert UnderDispute(id);
            _checkTransferable(id, state);
            unpaid = Accounting.carried(_book, id, uint64(units));
        }
        if (unpaid < minUnpaid) revert PaidSince(id, uint64(unpaid), uint64(minUnpaid));
    }

    function _checkActiveOperator() internal view {
        if (_operators[msg.sender] != OperatorState.Active) revert NotOperator(msg.sender);
    }

    function _checkTransferable(bytes32 id, State state) internal pure {
        if (state.status() != Status.Confirmed) revert StatusIs(id, state.status());
        if (state.flags() & STATE_LOT != 0) revert LotNotTransferable(id);
    }

    /// Moves units as new business, which must not be paused.
    /// @return sent The receiver's count of units sent before.
    function _give(
        bytes32 id,
        State state,
        address from,
        address to,
        uint256 units,
        Settlement currency,
        uint32 mark
    ) internal returns (uint64 sent) {
        if (currency.closed() & CLOSED_BY_PAUSE != 0) revert NewBusinessPaused();
        return _move(id, state.isAccounted(), from, to, units, currency.minimum(), mark);
    }

    /// Moves units that are free. What went through a sale stays marked so, with whatever it is mixed with.
    /// @param minimum The smallest part; all that is free may go.
    /// @return sent The receiver's count of units sent before.
    function _move(
        bytes32 id,
        bool accounted,
        address from,
        address to,
        uint256 units,
        uint64 minimum,
        uint32 mark
    ) internal returns (uint64 sent) {
        if (accounted) {
            Accounting.count(_book, id, from);
            Accounting.count(_book, id, to);
        }
        MainHolder main = _book.mains[id].loadMain();
        bool isMain = main.account() == from;
        Holder holder = isMain ? main.holder() : _book.holders[id][from].load();
        if (!holder.isAll(units)) _checkPart(id, from, holder, units, minimum);
        if (from == to) return holder.sent();
        if (holder.has(HOLDER_SOLD)) {
            mark |= HOLDER_SOLD;
            holder = holder.withSent(_added(holder.sent(), uint64(units)));
        }
        holder = holder.minus(units);
        if (isMain && !accounted) return _moveFromMain(id, from, holder, to, units, mark);
        _book.setHolder(id, from, holder);
        if (accounted && holder.units() == 0) Accounting.sweep(_book, id, from);

        holder = _book.holder(id, to);
        _book.setHolder(id, to, holder.plus(units).withFlag(mark));
        return holder.sent();
    }

    /// Whoever takes the last units of the main holder takes its place too, unless it has one already.
    /// @param left What the main holder has left.
    function _moveFromMain(bytes32 id, address from, Holder left, address to, uint256 units, uint32 mark)
        private
        returns (uint64 sent)
    {
        HolderSlot storage slot = _book.holders[id][to];
        Holder holder = slot.load();
        sent = holder.sent();
        if (left.units() != 0 || !holder.isEmpty()) {
            _book.setHolder(id, from, left);
            slot.store(holder.plus(units).withFlag(mark));
        } else {
            if (!left.isEmpty()) _book.holders[id][from].store(left);
            _book.mains[id].storeMain(mainHolder(to, holder.plus(units).withFlag(mark)));
        }
    }

    /// Units that the account may part with.
    function _free(bytes32 id, address account, Holder holder) internal view returns (uint64) {
        if (holder.flags() & HOLDER_MARKED == 0) return holder.units();
        return holder.units() - _book.rare[id][account].marked;
    }

    function _checkPart(bytes32 id, address from, Holder holder, uint256 units, uint64 minimum) private view {
        uint64 free = _free(id, from, holder);
        if (units > free) revert NotEnoughUnits(id, from, free, uint64(units));
        if (units == 0) revert ArgumentInvalid();
        if (units < minimum && units != free) revert BelowMinimum(uint64(units), minimum);
    }

    /// The count of units sent stops at its largest value.
    function _added(uint64 sent, uint64 units) private pure returns (uint64) {
        uint64 room = type(uint64).max - sent;
        return sent + (units < room ? units : room);
    }
}
