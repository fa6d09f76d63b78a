// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesEvents} from "../interfaces/IReceivablesEvents.sol";
import {Book} from "../types/Book.sol";
import {Phase, Status} from "../types/Receivable.sol";
import {STATE_DISPUTED, STATE_WAS_WRITTEN_OFF, State} from "../types/State.sol";

/// @title Which state may follow which, and the only place where a status is written
library Lifecycle {
    /// A bit `8 * from + to` for each transition there is.
    /// @dev In numbers, which the compiler adds up; it would work the enum's out at every transition.
    uint256 internal constant TRANSITIONS = (1 << (8 * 0 + 1)) // None → Issued
        | (1 << (8 * 1 + 2)) // Issued → Confirmed
        | (1 << (8 * 1 + 4)) // Issued → Cancelled
        | (1 << (8 * 2 + 3)) // Confirmed → Settled
        | (1 << (8 * 2 + 5)) // Confirmed → Replaced
        | (1 << (8 * 2 + 6)) // Confirmed → WrittenOff
        | (1 << (8 * 6 + 3)); // WrittenOff → Settled

    /// Takes a receivable to another status, with whatever else changed in its state at once.
    function transition(Book storage book, bytes32 id, State state, Status to) internal {
        book.states[id].store(next(state, to));
    }

    /// The state with another status; reverts unless that may follow.
    function next(State state, Status to) internal pure returns (State) {
        Status from = state.status();
        if (!isLegal(from, to)) revert IReceivablesEvents.TransitionForbidden(from, to);
        return state.withStatus(to);
    }

    /// Nothing is owed any more. A dispute about it is over. The caller emits what says so.
    function settle(Book storage book, bytes32 id) internal {
        State state = book.states[id].load();
        transition(book, id, state, Status.Settled);
        if (state.flags() & STATE_DISPUTED != 0) endDispute(book, id);
    }

    /// Lifts the mark from a lot and from the receivable it left.
    function endDispute(Book storage book, bytes32 id) internal {
        State state = book.states[id].load();
        book.states[id].store(state.withFlags(state.flags() & ~STATE_DISPUTED));
        bytes32 parent = book.parents[id];
        if (parent == 0) return;
        state = book.states[parent].load();
        book.states[parent].store(state.withOpenDisputes(state.openDisputes() - 1));
    }

    function isLegal(Status from, Status to) internal pure returns (bool) {
        return (TRANSITIONS >> ((uint256(from) << 3) | uint256(to))) & 1 != 0;
    }

    /// Whether money can still come in.
    function isOwed(State state) internal pure returns (bool) {
        return state.status() == Status.Confirmed || state.status() == Status.WrittenOff;
    }

    /// Whether the time for payment, grace included, is over.
    function isInDefault(State state) internal view returns (bool) {
        return block.timestamp > uint256(state.dueEnd()) + uint256(state.graceDays()) * 1 days;
    }

    /// The status, and what follows from time.
    function phase(State state) internal view returns (Phase) {
        Status status = state.status();
        if (status == Status.None) return Phase.None;
        if (status == Status.Issued) return Phase.Issued;
        if (status == Status.Cancelled) return Phase.Cancelled;
        if (status == Status.Replaced) return Phase.Replaced;
        if (status == Status.WrittenOff) return Phase.WrittenOff;
        if (status == Status.Settled) {
            return state.flags() & STATE_WAS_WRITTEN_OFF == 0 ? Phase.Settled : Phase.Recovered;
        }
        if (isInDefault(state)) return Phase.InDefault;
        if (block.timestamp > state.dueEnd()) return Phase.Overdue;
        return block.timestamp + 1 days > state.dueEnd() ? Phase.DueToday : Phase.NotYetDue;
    }
}
