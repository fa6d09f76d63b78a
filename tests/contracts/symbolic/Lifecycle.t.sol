// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Lifecycle} from "../../../contracts/libraries/Lifecycle.sol";
import {Book} from "../../../contracts/types/Book.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {State} from "../../../contracts/types/State.sol";

/// Proved by halmos for every state word and every status: `Lifecycle.transition`, which alone writes a status, writes
/// only what the specification draws, and changes nothing else.
contract LifecycleSymbolic {
    using Lifecycle for Book;

    bytes32 private _id = "id";

    Book private _book;

    function transition(State state, Status to) external {
        _book.transition(_id, state, to);
    }

    function check_Transition_OnlyThoseDrawn(uint256 word, uint8 to) external {
        if (to > uint8(type(Status).max) || uint8(word) > uint8(type(Status).max)) return;
        try this.transition(State.wrap(word), Status(to)) {
            assert(_drawn(uint8(word), to));
            uint256 stored = State.unwrap(_book.states[_id].load());
            assert(uint8(stored) == to && stored >> 8 == word >> 8);
        } catch {
            assert(!_drawn(uint8(word), to));
        }
    }

    /// None 0, Issued 1, Confirmed 2, Settled 3, Cancelled 4, Replaced 5, WrittenOff 6.
    function _drawn(uint8 from, uint8 to) private pure returns (bool) {
        if (from == 0) return to == 1;
        if (from == 1) return to == 2 || to == 4;
        if (from == 2) return to == 3 || to == 5 || to == 6;
        return from == 6 && to == 3;
    }
}
