// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {Lifecycle} from "../../../contracts/libraries/Lifecycle.sol";
import {Book} from "../../../contracts/types/Book.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {State} from "../../../contracts/types/State.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

/// Walks every pair of states: what the specification does not draw cannot happen. Branches: ReceivablesLifecycle.tree.
contract ReceivablesLifecycleTest is Test {
    using Lifecycle for Book;

    uint256 internal constant STATES = 7;
    bytes32 internal constant ID = "id";

    Book private _book;

    function _drawn(Status from, Status to) internal pure returns (bool) {
        if (from == Status.None) return to == Status.Issued;
        if (from == Status.Issued) return to == Status.Confirmed || to == Status.Cancelled;
        if (from == Status.Confirmed) {
            return to == Status.Settled || to == Status.Replaced || to == Status.WrittenOff;
        }
        return from == Status.WrittenOff && to == Status.Settled;
    }

    function transition(Status from, Status to) external {
        _book.transition(ID, State.wrap(0).withStatus(from), to);
    }

    function test_Transition_EveryPair() public {
        assertEq(uint256(type(Status).max) + 1, STATES, "all states walked");
        for (uint256 from = 0; from < STATES; ++from) {
            for (uint256 to = 0; to < STATES; ++to) {
                if (!_drawn(Status(from), Status(to))) {
                    vm.expectRevert(
                        abi.encodeWithSelector(
                            IReceivablesEvents.TransitionForbidden.selector, Status(from), Status(to)
                        )
                    );
                    this.transition(Status(from), Status(to));
                } else {
                    this.transition(Status(from), Status(to));
                    assertTrue(_book.states[ID].load().status() == Status(to), "stored");
                }
            }
        }
    }

    function test_State_FieldsDoNotTouchEachOther(uint256 word, uint8 flags, uint40 time, uint64 face)
        public
        pure
    {
        State state = State.wrap(word >> 8 << 8);
        State changed =
            state.withFlags(flags).withConfirmedAt(time).withFace(face).withStatus(Status.Confirmed);
        assertEq(changed.flags(), flags, "flags");
        assertEq(changed.confirmedAt(), time, "confirmedAt");
        assertEq(changed.face(), face, "face");
        assertTrue(changed.status() == Status.Confirmed, "status");
        assertEq(changed.dueEnd(), state.dueEnd(), "dueEnd");
        assertEq(changed.currency(), state.currency(), "currency");
        assertEq(changed.lateRate(), state.lateRate(), "lateRate");
        assertEq(changed.graceDays(), state.graceDays(), "graceDays");
        assertEq(changed.lots(), state.lots(), "lots");
    }

    /// The compiler lays the members of the stored struct out as the word reads them.
    function test_State_LayoutIsTheWords(uint8 flags, uint32 currency, uint40 dueEnd, uint64 face) public {
        _book.states[ID].flags = flags;
        _book.states[ID].currency = currency;
        _book.states[ID].dueEnd = dueEnd;
        _book.states[ID].face = face;
        _book.states[ID].status = Status.Settled;
        State state = _book.states[ID].load();
        assertEq(state.flags(), flags, "flags");
        assertEq(state.currency(), currency, "currency");
        assertEq(state.dueEnd(), dueEnd, "dueEnd");
        assertEq(state.face(), face, "face");
        assertTrue(state.status() == Status.Settled, "status");
    }
}
