// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {Holding, Phase, Receivable, Status} from "../../../contracts/types/Receivable.sol";
import {Confirmation, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// What one can ask, at each turn of a receivable's life. Branches: ReceivablesQuestions.tree.
contract ReceivablesQuestionsTest is LedgerTest {
    Terms private _t;
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _t = _terms();
        _t.lateRate = 100_000;
        _id = receivables.idOf(_t);
    }

    function _confirmed() private {
        _issueAndConfirm(_t);
    }

    function _late(uint256 time) private {
        vm.warp(_t.dueEnd + time);
    }

    function _assertPhase(Phase phase) private view {
        assertEq(uint256(receivables.phaseOf(_id)), uint256(phase), "phase");
        assertEq(uint256(receivables.receivable(_id).phase), uint256(phase), "phase of the whole answer");
    }

    function _assertDue(uint64 face, uint64 interest) private view {
        (uint64 faceDue, uint64 interestDue) = receivables.due(_id);
        assertEq(faceDue, face, "face due");
        assertEq(interestDue, interest, "interest due");
        assertEq(receivables.receivable(_id).interestDue, interest, "interest due, of the whole answer");
    }

    function test_Phase_OfWhatNeverCameToBe() public {
        _assertPhase(Phase.None);
        _assertDue(0, 0);
        assertEq(receivables.receivable(_id).units, 0, "units of nothing");
        vm.prank(supplier.signer);
        receivables.issue(_t);
        _assertPhase(Phase.Issued);
        _assertDue(0, 0);
        Receivable memory state = receivables.receivable(_id);
        assertEq(state.units + state.unpaid + state.reduced, 0, "nothing is owed yet");
        assertEq(receivables.holding(_id, supplier.account).unpaid, 0, "nor to its holder");
        vm.prank(supplier.signer);
        receivables.cancel(_t, "reason");
        _assertPhase(Phase.Cancelled);
        assertEq(receivables.receivable(_id).reduced, 0, "cancelled, not reduced");
    }

    function test_Phase_ThroughTime() public {
        _confirmed();
        _assertPhase(Phase.NotYetDue);
        _assertDue(FACE, 0);
        vm.warp(_t.dueEnd - 1 days);
        _assertPhase(Phase.NotYetDue);
        vm.warp(_t.dueEnd - 1 days + 1);
        _assertPhase(Phase.DueToday);
        _late(0);
        _assertPhase(Phase.DueToday);
        _late(1);
        _assertPhase(Phase.Overdue);
        _late(10 days);
        _assertPhase(Phase.Overdue);
        _late(10 days + 1);
        _assertPhase(Phase.InDefault);
        _late(73 days);
        _assertDue(FACE, FACE / 50);
        _pay(debtor, _id, type(uint64).max);
        _assertPhase(Phase.Settled);
        _assertDue(0, 0);
    }

    function test_Phase_WrittenOffAndRecovered() public {
        _confirmed();
        _late(20 days);
        vm.prank(supplier.signer);
        receivables.writeOff(_id, supplier.account);
        _assertPhase(Phase.WrittenOff);
        assertTrue(receivables.receivable(_id).wasWrittenOff, "marked so");
        _pay(debtor, _id, 1);
        _assertPhase(Phase.WrittenOff);
        _pay(debtor, _id, type(uint64).max);
        _assertPhase(Phase.Recovered);
    }

    function test_Phase_Replaced() public {
        _confirmed();
        Terms memory terms = _terms();
        bytes32[] memory fingerprints_ = new bytes32[](1);
        fingerprints_[0] = _t.fingerprint;
        bytes32 digest = receivables.confirmationDigest(terms, _id, 3, block.timestamp);
        (Terms memory old, bytes memory signature) = (_t, _signature(debtor.key, digest));
        vm.prank(supplier.signer);
        receivables.replace(
            old, terms, fingerprints_, _confirmationOf(debtor.signer, 3, block.timestamp, signature)
        );
        _assertPhase(Phase.Replaced);
        _assertDue(0, 0);
        assertEq(receivables.receivable(_id).units, 0, "units");
    }

    function test_Receivable_Sums() public {
        _confirmed();
        _transfer(supplier, bank, _id, 40_000);
        _pay(debtor, _id, 100);
        vm.prank(bank.signer);
        receivables.closeOutside(_id, bank.account, 30, "wire");
        Terms memory terms = _t;
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, 20, "note");
        Receivable memory state = receivables.receivable(_id);
        assertEq(state.paid, 100, "paid");
        assertEq(state.closed, 30, "closed");
        assertEq(state.reduced, 20, "reduced");
        assertEq(state.unpaid, FACE - 150, "unpaid");
        assertEq(state.face, FACE, "face");
        assertEq(state.units, _units(supplier, _id) + _units(bank, _id), "units");
        assertFalse(state.isLot || state.disputed || state.wasWrittenOff, "marks");
        assertEq(receivables.holding(_id, bank.account).closed, 30, "the bank's");
        assertEq(receivables.holding(_id, supplier.account).reduced, 20, "the supplier's");
        assertEq(state.currency, uint32(uint160(address(euro))), "currency");
    }

    function test_Receivable_SettledAtOnce_KeepsItsSums() public {
        _confirmed();
        _pay(debtor, _id, FACE);
        Receivable memory state = receivables.receivable(_id);
        assertEq(state.paid, FACE, "paid");
        assertEq(state.units, FACE, "units");
        assertEq(state.unpaid + state.closed + state.reduced + state.interestPaid, 0, "nothing else");
        assertEq(receivables.holding(_id, supplier.account).redeemable, FACE, "redeemable");
        assertEq(receivables.holding(_id, bank.account).redeemable, 0, "by nobody else");
        assertEq(receivables.holding(_id, supplier.account).unpaid, 0, "unpaid");
    }

    /// What the answer promises is what redeeming pays, of face and of interest, at each turn.
    function test_Holding_SaysWhatRedeemingPays(uint64 units, uint64 payment, uint64 second, bool settle)
        public
    {
        _confirmed();
        _transfer(supplier, bank, _id, uint64(bound(units, 1, FACE - 1)));
        _late(50 days);
        _pay(debtor, _id, uint64(bound(payment, 1, FACE)));
        _assertRedeems(bank);
        _late(90 days);
        (uint64 face, uint64 interest) = receivables.due(_id);
        if (settle) _pay(debtor, _id, type(uint64).max);
        else if (face + interest > 1) _pay(debtor, _id, uint64(bound(second, 1, face + interest - 1)));
        _assertRedeems(supplier);
        _assertRedeems(bank);
    }

    function _assertRedeems(Actor memory actor) private {
        Holding memory held = receivables.holding(_id, actor.account);
        uint256 before = euro.balanceOf(actor.payout);
        vm.prank(actor.signer);
        try receivables.redeem(_id, actor.account) returns (uint64 face, uint64 interest) {
            assertEq(face, held.redeemable, "face");
            assertEq(interest, held.redeemableInterest, "interest");
        } catch {
            assertEq(uint256(held.redeemable) + held.redeemableInterest, 0, "nothing to redeem");
        }
        assertEq(
            euro.balanceOf(actor.payout) - before,
            uint256(held.redeemable) + held.redeemableInterest,
            "cash out"
        );
    }

    function test_Holding_WhatIsWaivedIsNotRedeemable() public {
        _confirmed();
        _transfer(supplier, bank, _id, FACE / 2);
        vm.prank(bank.signer);
        receivables.waiveInterest(_id, bank.account, true);
        _late(73 days);
        _pay(debtor, _id, type(uint64).max);
        assertEq(receivables.holding(_id, bank.account).redeemableInterest, 0, "waived");
        assertEq(receivables.holding(_id, supplier.account).redeemableInterest, FACE / 100, "its own");
        _redeem(bank, _id);
        // Less a fraction, which is in the pool.
        assertEq(receivables.interestToReturn(_id), FACE / 100 - 1, "the debtor's");
        uint256 before = euro.balanceOf(debtor.payout);
        receivables.returnInterest(_t, 0);
        assertEq(euro.balanceOf(debtor.payout) - before, FACE / 100, "returned");
        assertEq(receivables.interestToReturn(_id), 0, "nothing more");
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NothingDue.selector, _id));
        receivables.returnInterest(_t, 0);
    }

    /// A holder without units leaves no fraction of interest behind.
    function test_Redeem_InterestOfASoldUnit_IsCountedToTheLastFraction() public {
        _confirmed();
        _transfer(supplier, bank, _id, FACE / 3);
        _late(77 days);
        _pay(debtor, _id, 12_345);
        _transfer(bank, otherBank, _id, FACE / 3);
        _pay(debtor, _id, type(uint64).max);
        Actor[3] memory all = [bank, otherBank, supplier];
        for (uint256 i = 0; i < 3; ++i) {
            _redeem(all[i], _id);
        }
        assertEq(euro.balanceOf(address(receivables)), 0, "nothing left behind");
    }

    /// What is remembered of a holder is remembered each by itself.
    function test_Holding_MarksDoNotTouchEachOther() public {
        _confirmed();
        _transfer(supplier, bank, _id, 5);
        _accept(supplier, otherBank, _offerOf(supplier, otherBank, _id, FACE / 2, FACE / 2));
        for (uint256 i = 0; i < 2; ++i) {
            Actor memory actor = i == 0 ? bank : otherBank;
            vm.startPrank(actor.signer);
            receivables.waiveInterest(_id, actor.account, true);
            _assertMarks(actor, i == 1, true, 0);
            receivables.waiveInterest(_id, actor.account, false);
            _assertMarks(actor, i == 1, false, 0);
            receivables.waiveInterest(_id, actor.account, true);
            vm.stopPrank();
        }
        _late(20 days);
        vm.prank(bank.signer);
        receivables.writeOff(_id, bank.account);
        _assertMarks(bank, false, true, 5);
        vm.prank(otherBank.signer);
        receivables.writeOff(_id, otherBank.account);
        _assertMarks(otherBank, true, true, uint64(FACE / 2));
    }

    function _assertMarks(Actor memory actor, bool sold, bool waives, uint64 marked) private view {
        Holding memory held = receivables.holding(_id, actor.account);
        assertEq(held.sold ? 1 : 0, sold ? 1 : 0, "sold");
        assertEq(held.waivesInterest ? 1 : 0, waives ? 1 : 0, "waives");
        assertEq(held.marked, marked, "marked");
    }

    function test_FreeUnits() public {
        _confirmed();
        _transfer(supplier, bank, _id, 5);
        _late(20 days);
        assertEq(receivables.freeUnits(_id, bank.account), 5, "free");
        vm.prank(bank.signer);
        receivables.writeOff(_id, bank.account);
        assertEq(receivables.freeUnits(_id, bank.account), 0, "marked");
        _transfer(supplier, bank, _id, 3);
        assertEq(receivables.freeUnits(_id, bank.account), 3, "what came since");
        assertEq(receivables.holding(_id, bank.account).marked, 5, "marked stay marked");
    }

    function test_Pay_Nothing_Reverts() public {
        _confirmed();
        vm.prank(debtor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NothingDue.selector, _id));
        receivables.pay(_id, 0);
    }

    function test_Dispute_WhatIsNotConfirmedOrIsALot_Reverts() public {
        Terms memory terms = _t;
        vm.prank(debtor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, _id, Status.None));
        receivables.dispute(terms, 1, "reason");
        _confirmed();
        vm.prank(debtor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NotDisputed.selector, _id));
        receivables.endDispute(terms, 0);
        vm.prank(debtor.signer);
        receivables.dispute(terms, FACE, "all");
        vm.prank(debtor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.UnderDispute.selector, _id));
        receivables.dispute(terms, 1, "again");
    }

    function test_WhatIsNotOwed_IsNotAdjusted() public {
        Terms memory terms = _t;
        _confirmed();
        _pay(debtor, _id, FACE);
        bytes memory refused =
            abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, _id, Status.Settled);
        vm.startPrank(supplier.signer);
        vm.expectRevert(refused);
        receivables.issueCreditNote(terms, 0, 1, "note");
        vm.expectRevert(refused);
        receivables.joinCreditNote(_id, supplier.account, "note", 1);
        vm.expectRevert(refused);
        receivables.closeOutside(_id, supplier.account, 1, "wire");
        vm.expectRevert(refused);
        receivables.waiveInterest(_id, supplier.account, true);
        vm.expectRevert(refused);
        receivables.writeOff(_id, supplier.account);
        vm.stopPrank();
    }

    function _confirmationOf(address signer, uint256 nonce, uint256 deadline, bytes memory signature)
        private
        pure
        returns (Confirmation memory confirmation)
    {
        confirmation.signer = signer;
        confirmation.nonce = nonce;
        confirmation.deadline = deadline;
        confirmation.signature = signature;
    }
}
