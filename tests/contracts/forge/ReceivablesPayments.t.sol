// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {Holding, Phase, Receivable, Status} from "../../../contracts/types/Receivable.sol";
import {Confirmation, PaymentOrder, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Branches: ReceivablesPayments.tree.
contract ReceivablesPaymentsTest is LedgerTest {
    uint24 internal constant RATE = 90_000; // 9 % a year

    function _claimOf(uint64 amount) internal returns (bytes32 id, Terms memory terms) {
        terms = _terms();
        terms.amount = amount;
        id = _issueAndConfirm(terms);
    }

    function _lateClaim(PaymentOrder order) internal returns (bytes32 id, Terms memory terms) {
        terms = _terms();
        terms.lateRate = RATE;
        terms.paymentOrder = order;
        id = _issueAndConfirm(terms);
    }

    function _cash(address who) internal view returns (uint256) {
        return euro.balanceOf(who);
    }

    /* PAY */

    function test_Pay_InFull_SettlesAndPaysEachUnitOne() public {
        bytes32 id = _claim();
        _transfer(supplier, bank, id, 30_00);
        uint256 before = _cash(debtor.signer);

        assertEq(_pay(debtor, id, FACE), FACE, "taken");

        assertEq(before - _cash(debtor.signer), FACE, "from the debtor's wallet");
        assertTrue(receivables.statusOf(id) == Status.Settled, "settled");
        assertEq(_redeemed(bank, id), 30_00, "the bank's part");
        assertEq(_redeemed(supplier, id), FACE - 30_00, "the supplier's part");
        assertEq(_cash(address(receivables)), 0, "nothing left behind");
        assertEq(_units(supplier, id), 0, "units gone");
    }

    function _redeemed(Actor memory actor, bytes32 id) internal returns (uint64 face) {
        uint256 before = _cash(actor.payout);
        uint64 interest;
        (face, interest) = _redeem(actor, id);
        assertEq(_cash(actor.payout) - before, face + interest, "paid out what was said");
    }

    function test_Pay_TooMuch_TakesOnlyWhatIsOwed() public {
        bytes32 id = _claim();
        assertEq(_pay(debtor, id, FACE + 1), FACE, "taken");
    }

    function test_Pay_ByAStranger_WithItsOwnMoney() public {
        bytes32 id = _claim();
        euro.mint(stranger, FACE);
        vm.prank(stranger);
        euro.approve(address(receivables), FACE);
        uint256 before = _cash(debtor.signer);

        vm.prank(stranger);
        receivables.pay(id, FACE);

        assertEq(_cash(stranger), 0, "the stranger paid");
        assertEq(_cash(debtor.signer), before, "not the debtor");
    }

    /// Goldfinch 2025: a false repayment out of a victim's allowance.
    function test_Pay_NeverFromAnAllowanceOfAnother() public {
        bytes32 id = _claim();
        vm.prank(stranger);
        vm.expectRevert();
        receivables.pay(id, FACE);
    }

    function test_Pay_BelowTheMinimum_OnlyByTheDebtor() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        receivables.setCurrency(_currency(), true, 100, 180);

        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.BelowMinimum.selector, 99, 100));
        receivables.pay(id, 99);

        vm.prank(debtor.signer);
        receivables.payAsDebtor(terms, 0, 99);
        assertEq(receivables.receivable(id).paid, 99, "paid");
        _pay(debtor, id, FACE - 99 - 50);
        assertEq(_pay(bank, id, 50), 50, "the rest may always be paid");
    }

    function _currency() internal view returns (uint32 id) {
        (id,) = receivables.currencyOf(address(euro));
    }

    function test_Pay_BeforeConfirmation_Reverts() public {
        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        bytes32 id = receivables.issue(terms);
        vm.prank(debtor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Issued));
        receivables.pay(id, FACE);
    }

    function test_Pay_Twice_Reverts() public {
        bytes32 id = _claim();
        _pay(debtor, id, FACE);
        vm.prank(debtor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Settled));
        receivables.pay(id, 1);
    }

    function test_Pay_WhilePausedAndDebtorSuspended() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        receivables.pause();
        address[] memory accounts = new address[](1);
        accounts[0] = debtor.account;
        participants.suspend(accounts, "fraud");

        vm.prank(debtor.signer);
        receivables.payAsDebtor(terms, 0, 10);
        _pay(debtor, id, FACE);
        assertEq(_redeemed(supplier, id), FACE, "redeemed");
    }

    function test_PayAsDebtor_ByAnother_Reverts() public {
        Terms memory terms = _terms();
        _issueAndConfirm(terms);
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.payAsDebtor(terms, 0, 1);
    }

    function test_Pay_WithATokenThatTakesAFee_Reverts() public {
        bytes32 id = _claim();
        // A token that says yes and delivers nothing.
        vm.mockCall(address(euro), abi.encodeWithSelector(euro.transferFrom.selector), abi.encode(true));
        vm.prank(debtor.signer);
        vm.expectRevert(
            abi.encodeWithSelector(IReceivablesEvents.TokenShort.selector, address(euro), 0, FACE)
        );
        receivables.pay(id, FACE);
    }

    /* THE EXAMPLE OF THE DESIGN */

    function test_Accounting_TheExample() public {
        (bytes32 id,) = _claimOf(100);
        _transfer(supplier, bank, id, 30);
        _pay(debtor, id, 33);
        assertEq(_redeemed(supplier, id), 23, "A after 33");
        assertEq(_redeemed(bank, id), 9, "B after 33");

        vm.prank(bank.signer);
        receivables.closeOutside(id, bank.account, 10, "reference");
        Receivable memory state = receivables.receivable(id);
        assertEq(_units(bank, id), 15, "B's units");
        assertEq(state.unpaid, 57, "Q");
        assertEq(state.units, 85, "U");

        _pay(debtor, id, 57);
        assertTrue(receivables.statusOf(id) == Status.Settled, "settled");
        assertEq(_redeemed(supplier, id) + 23, 70, "A in all");
        assertEq(_redeemed(bank, id) + 9, 20, "B, redeeming last, in all");
        assertEq(_cash(address(receivables)), 0, "nothing left behind");
    }

    function test_Pay_MoneyBelongsToWhoHeldWhenItCame() public {
        (bytes32 id,) = _claimOf(1000);
        _pay(debtor, id, 500);
        _transfer(supplier, bank, id, 1000);
        _pay(debtor, id, 500);
        assertEq(_redeemed(supplier, id), 500, "the first half");
        assertEq(_redeemed(bank, id), 500, "the second half");
    }

    /* REDEEM */

    function test_Redeem_Nothing_Reverts() public {
        bytes32 id = _claim();
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NothingDue.selector, id));
        receivables.redeem(id, supplier.account);
        _pay(debtor, id, FACE);
        _redeem(supplier, id);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NothingDue.selector, id));
        receivables.redeem(id, supplier.account);
    }

    function test_Redeem_ByAnotherParty_Reverts() public {
        bytes32 id = _claim();
        _pay(debtor, id, FACE);
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.redeem(id, supplier.account);
    }

    function test_Redeem_WhileSuspended_WaitsAndIsStillOwed() public {
        bytes32 id = _claim();
        _pay(debtor, id, FACE);
        address[] memory accounts = new address[](1);
        accounts[0] = supplier.account;
        participants.suspend(accounts, "sanctions");
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.Suspended.selector, supplier.account));
        receivables.redeem(id, supplier.account);

        participants.liftSuspension(accounts, "cleared");
        assertEq(_redeemed(supplier, id), FACE, "owed all the while");
    }

    function test_RedeemMany_OfOneCurrency() public {
        bytes32[] memory ids = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            ids[i] = _claim();
            if (i != 1) _pay(debtor, ids[i], FACE);
        }
        uint256 before = _cash(supplier.payout);
        vm.prank(supplier.signer);
        receivables.redeemMany(ids, supplier.account);
        assertEq(_cash(supplier.payout) - before, 2 * uint256(FACE), "two paid, one passed over");
    }

    /* LATE */

    function test_Late_DueIsTheSecondItself() public {
        (bytes32 id, Terms memory terms) = _lateClaim(PaymentOrder.InterestFirst);
        vm.warp(terms.dueEnd);
        assertTrue(receivables.phaseOf(id) == Phase.DueToday, "due");
        (, uint64 interest) = receivables.due(id);
        assertEq(interest, 0, "no interest yet");
        vm.warp(terms.dueEnd + 1);
        assertTrue(receivables.phaseOf(id) == Phase.Overdue, "overdue the second after");
        vm.warp(terms.dueEnd + uint256(terms.graceDays) * 1 days);
        assertTrue(receivables.phaseOf(id) == Phase.Overdue, "last second of grace");
        vm.warp(terms.dueEnd + uint256(terms.graceDays) * 1 days + 1);
        assertTrue(receivables.phaseOf(id) == Phase.InDefault, "in default");
    }

    function test_Late_InterestIsSimpleOnWhatIsUnpaid() public {
        (bytes32 id, Terms memory terms) = _lateClaim(PaymentOrder.InterestFirst);
        _pay(debtor, id, FACE / 2);
        vm.warp(terms.dueEnd + 365 days);
        (uint64 face, uint64 interest) = receivables.due(id);
        assertEq(face, FACE / 2, "unpaid");
        assertEq(interest, uint256(FACE) / 2 * RATE / 1e6, "a year of it");
        vm.warp(terms.dueEnd + 2 * 365 days);
        (, interest) = receivables.due(id);
        assertEq(interest, uint256(FACE) * RATE / 1e6, "not on interest");
    }

    function test_Late_InterestFirst() public {
        (bytes32 id, Terms memory terms) = _lateClaim(PaymentOrder.InterestFirst);
        vm.warp(terms.dueEnd + 365 days);
        uint64 interest = FACE / 100 * 9;
        _pay(debtor, id, interest + 1);
        Receivable memory state = receivables.receivable(id);
        assertEq(state.interestPaid, interest, "interest");
        assertEq(state.paid, 1, "then face");
        // What does not divide by the units waits in the pool until the end.
        (, uint64 out) = _redeem(supplier, id);
        assertEq(out, interest - 1, "to the holder");
    }

    function test_Late_FaceFirst_SettlesOnlyWithTheInterest() public {
        (bytes32 id, Terms memory terms) = _lateClaim(PaymentOrder.FaceFirst);
        vm.warp(terms.dueEnd + 365 days);
        _pay(debtor, id, FACE);
        assertEq(receivables.receivable(id).unpaid, 0, "face paid");
        assertTrue(receivables.statusOf(id) == Status.Confirmed, "interest is owed still");
        assertEq(_pay(debtor, id, type(uint64).max), FACE / 100 * 9, "interest");
        assertTrue(receivables.statusOf(id) == Status.Settled, "settled");
        (uint64 face, uint64 interest) = _redeem(supplier, id);
        assertEq(face, FACE, "face out");
        assertEq(interest, FACE / 100 * 9, "interest out");
    }

    function test_Late_InterestDoesNotDependOnPokes(uint64 first, uint64 second) public {
        first = uint64(bound(first, 1, 400 days));
        second = uint64(bound(second, 1, 400 days));
        (bytes32 id, Terms memory terms) = _lateClaim(PaymentOrder.FaceFirst);
        (bytes32 other,) = _lateClaim(PaymentOrder.FaceFirst);
        vm.warp(terms.dueEnd + first);
        // Touches interest, but changes nothing that it is counted on.
        vm.prank(supplier.signer);
        receivables.waiveInterest(id, supplier.account, false);
        vm.warp(block.timestamp + second);
        (, uint64 poked) = receivables.due(id);
        (, uint64 left) = receivables.due(other);
        assertEq(poked, left, "interest");
    }

    function test_Late_WaivedInterestGoesBackToTheDebtor() public {
        (bytes32 id, Terms memory terms) = _lateClaim(PaymentOrder.InterestFirst);
        _transfer(supplier, bank, id, FACE / 4);
        vm.prank(bank.signer);
        receivables.waiveInterest(id, bank.account, true);
        vm.warp(terms.dueEnd + 365 days);
        uint64 interest = FACE / 100 * 9;
        _pay(debtor, id, FACE + interest);
        (, uint64 banks) = _redeem(bank, id);
        assertEq(banks, 0, "waived");
        (, uint64 suppliers) = _redeem(supplier, id);
        assertEq(suppliers, interest / 4 * 3, "kept");
        uint256 before = _cash(debtor.payout);
        receivables.returnInterest(terms, 0);
        assertEq(_cash(debtor.payout) - before, interest / 4, "back to the debtor");
        assertEq(_cash(address(receivables)), 0, "nothing left behind");
    }

    /// What was paid while it waived stays the debtor's; what is paid later is the holder's again.
    function test_Late_WaiverTakenBack_CountsFromThenOn() public {
        (bytes32 id, Terms memory terms) = _lateClaim(PaymentOrder.InterestFirst);
        _transfer(supplier, bank, id, FACE / 4);
        vm.prank(bank.signer);
        receivables.waiveInterest(id, bank.account, true);
        assertTrue(receivables.holding(id, bank.account).waivesInterest, "waives");
        vm.warp(terms.dueEnd + 73 days);
        uint64 interest = FACE / 500 * 9;
        _pay(debtor, id, interest);
        vm.prank(bank.signer);
        receivables.waiveInterest(id, bank.account, false);
        assertFalse(receivables.holding(id, bank.account).waivesInterest, "no longer");
        vm.warp(terms.dueEnd + 2 * 73 days);
        _pay(debtor, id, FACE + interest);
        (, uint64 banks) = _redeem(bank, id);
        assertEq(banks, interest / 4, "of the second payment");
        (, uint64 suppliers) = _redeem(supplier, id);
        assertEq(suppliers, interest / 4 * 6, "of both");
        uint256 before = _cash(debtor.payout);
        receivables.returnInterest(terms, 0);
        assertEq(_cash(debtor.payout) - before, interest / 4, "of the first");
        assertEq(_cash(address(receivables)), 0, "nothing left behind");
    }

    /* EXACT TO THE UNIT */

    /// Splits, part payments, closings and redemptions in any order: the last holder gets the last unit.
    function test_Accounting_ExactToTheUnit(uint64 face, uint256 seed) public {
        face = uint64(bound(face, 1, WEALTH / 2));
        (bytes32 id,) = _claimOf(face);
        Actor[3] memory holders = [supplier, bank, subSupplier];
        uint256[3] memory got;
        uint256 start = _cash(address(receivables));
        for (uint256 i = 0; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            Actor memory actor = holders[seed % 3];
            uint256 kind = (seed >> 8) % 4;
            if (kind == 0) {
                uint64 units = uint64(bound(seed >> 16, 0, _units(actor, id)));
                if (units != 0) _transfer(actor, holders[(seed >> 80) % 3], id, units);
            } else if (kind == 1) {
                (uint64 left,) = receivables.due(id);
                if (left > 1) _pay(debtor, id, uint64(bound(seed >> 16, 1, left - 1)));
            } else if (kind == 2) {
                uint64 carried = receivables.holding(id, actor.account).unpaid;
                (uint64 left,) = receivables.due(id);
                uint64 amount = uint64(bound(seed >> 16, 0, carried));
                if (amount != 0 && amount < left) {
                    vm.prank(actor.signer);
                    receivables.closeOutside(id, actor.account, amount, "outside");
                }
            } else {
                Holding memory holding = receivables.holding(id, actor.account);
                if (holding.redeemable != 0) {
                    assertEq(_redeemed(actor, id), holding.redeemable, "redeemable");
                    got[seed % 3] += holding.redeemable;
                }
            }
            Receivable memory now_ = receivables.receivable(id);
            assertEq(
                uint256(now_.unpaid) + now_.paid + now_.closed + now_.reduced, now_.face, "face is conserved"
            );
        }
        (uint64 rest,) = receivables.due(id);
        if (rest != 0) _pay(debtor, id, rest);
        for (uint256 i = 0; i < 3; ++i) {
            Holding memory holding = receivables.holding(id, holders[i].account);
            if (holding.units == 0 && holding.redeemable == 0) continue;
            got[i] += _redeemed(holders[i], id);
        }
        assertEq(_cash(address(receivables)), start, "all that came in went out");
        assertEq(got[0] + got[1] + got[2], receivables.receivable(id).paid, "to the holders");
    }
}
