// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivables} from "../../../contracts/interfaces/IReceivables.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {Holding, Receivable, Status} from "../../../contracts/types/Receivable.sol";
import {ReceivablesHandler} from "./ReceivablesHandler.sol";
import {Test} from "./Test.sol";

/// What holds after any sequence of calls by anybody:
///
/// 1. Face = unpaid + paid + closed outside + reduced, of each receivable and each lot; and a receivable's face and its
///    lots' faces add up to its terms' amount.
/// 2. The units of all holders are the live units.
/// 3. Cash in = cash out + held, and what is held covers what can be redeemed.
/// 4. Only the transitions of the specification happen. A taken slot is never free again.
/// 5. Nothing that one account signs changes another's units, and a suspended account's units do not move by its hand.
///
/// 2,048 calls here, 100,000 in `make deep-contracts`.
contract ReceivablesInvariantsTest is Test {
    ReceivablesHandler internal handler;

    function setUp() public {
        handler = new ReceivablesHandler();
        handler.setUp();
    }

    /// The handler's calls are not all refused: each kind of them can succeed.
    function test_Handler_DoesWhatItSays() public {
        handler.transfer(2, 0, 1, 1000);
        handler.pay(2, 777);
        handler.redeem(2, 0);
        handler.closeOutside(2, 1, 5);
        handler.creditNote(2, 10, 1, 1);
        handler.dispute(2, 50, 1);
        handler.waive(2, 1, true);
        handler.lockAndUnlock(2, 0, 100, false);
        handler.lockAndUnlock(2, 2, 0, true);
        handler.wait_(40 days);
        handler.wait_(40 days);
        handler.wait_(40 days);
        handler.writeOff(2, 1);
        // All but joining the credit note, of which the supplier's own units left nothing.
        assertLe(11, handler.done(), "calls that did something");
    }

    /// Tells Foundry whom to call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// One campaign looks at all of them after each call.
    function invariant_Receivables() public view {
        _faceIsConserved();
        _unitsAreTheHolders();
        _cashIsCovered();
        _nothingForbidden();
    }

    function _faceIsConserved() private view {
        (IReceivables receivables,) = _ledger();
        uint256 sum;
        for (uint256 i = 0; i < handler.idCount(); ++i) {
            Receivable memory state = receivables.receivable(handler.ids(i));
            assertEq(
                uint256(state.unpaid) + state.paid + state.closed + state.reduced,
                state.face,
                "face of a part"
            );
            assertLe(state.unpaid, state.units, "a unit carries no more than one");
            sum += state.face;
        }
        assertEq(sum, handler.faceOf(0) + handler.faceOf(1) + handler.faceOf(2), "faces of all parts");
    }

    function _unitsAreTheHolders() private view {
        (IReceivables receivables,) = _ledger();
        address[5] memory holders = handler.holders();
        for (uint256 i = 0; i < handler.idCount(); ++i) {
            bytes32 id = handler.ids(i);
            Receivable memory state = receivables.receivable(id);
            if (state.status == Status.Settled) continue;
            uint256 sum;
            for (uint256 j = 0; j < 5; ++j) {
                Holding memory holding = receivables.holding(id, holders[j]);
                assertLe(holding.marked, holding.units, "marked");
                sum += holding.units;
            }
            assertEq(sum, state.units, "live units");
        }
    }

    function _cashIsCovered() private view {
        (IReceivables receivables, TestCurrency euro) = _ledger();
        uint256 held = euro.balanceOf(address(receivables));
        assertEq(handler.paidIn(), handler.paidOut() + held, "in = out + held");
        address[5] memory holders = handler.holders();
        uint256 owed;
        for (uint256 i = 0; i < handler.idCount(); ++i) {
            bytes32 id = handler.ids(i);
            for (uint256 j = 0; j < 5; ++j) {
                Holding memory holding = receivables.holding(id, holders[j]);
                // Each settled holding counts the pool as if it were the next to redeem.
                if (receivables.statusOf(id) == Status.Settled) continue;
                owed += uint256(holding.redeemable) + holding.redeemableInterest;
            }
            owed += receivables.interestToReturn(id);
        }
        assertLe(owed, held, "what is owed");
    }

    function _nothingForbidden() private view {
        assertFalse(handler.illegalTransition(), "a transition outside the table");
        assertFalse(handler.touchedAnother(), "another's units touched");
        assertFalse(handler.suspendedMoved(), "a suspended account moved");
        for (uint256 i = 0; i < 3; ++i) {
            assertTrue(handler.slotTaken(i), "slot taken");
        }
    }

    function _ledger() private view returns (IReceivables, TestCurrency) {
        (address receivables, address euro) = handler.ledger();
        return (IReceivables(receivables), TestCurrency(euro));
    }
}
