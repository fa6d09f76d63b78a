// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {Phase, Receivable, Status} from "../../../contracts/types/Receivable.sol";
import {Terms, Undertaking} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Branches: ReceivablesRemedies.tree.
contract ReceivablesRemediesTest is LedgerTest {
    function _confirmed() internal returns (bytes32 id, Terms memory terms) {
        terms = _terms();
        id = _issueAndConfirm(terms);
    }

    function _default(Terms memory terms) internal {
        vm.warp(uint256(terms.dueEnd) + uint256(terms.graceDays) * 1 days + 1);
    }

    function _writeOff(Actor memory actor, bytes32 id) internal {
        vm.prank(actor.signer);
        receivables.writeOff(id, actor.account);
    }

    /* CREDIT NOTES */

    function test_CreditNote_SuppliersOwnUnitsFirst_OthersMayJoin() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        _transfer(supplier, bank, id, FACE / 2);
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, FACE / 2 + 100, "note");
        assertEq(_units(supplier, id), 0, "its own, all of them");
        assertEq(_units(bank, id), FACE / 2, "nobody else's");
        assertEq(receivables.creditNoteLeft(id, "note"), 100, "its debt");

        vm.prank(bank.signer);
        receivables.joinCreditNote(id, bank.account, "note", 60);
        assertEq(receivables.creditNoteLeft(id, "note"), 40, "less");
        assertEq(_units(bank, id), FACE / 2 - 60, "the bank's");
        Receivable memory state = receivables.receivable(id);
        assertEq(state.reduced, FACE / 2 + 60, "reduced");
        assertEq(state.unpaid, FACE / 2 - 60, "unpaid");
        assertEq(receivables.holding(id, bank.account).reduced, 60, "for the reserve");

        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.AmountTooLarge.selector, id, 41, 40));
        receivables.joinCreditNote(id, bank.account, "note", 41);
    }

    function test_CreditNote_UsedOnce() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, 100, "note");
        vm.prank(supplier.signer);
        vm.expectRevert(
            abi.encodeWithSelector(IReceivablesEvents.CreditNoteUsed.selector, id, bytes32("note"))
        );
        receivables.issueCreditNote(terms, 0, 100, "note");
    }

    function test_CreditNote_OfEverything_Settles() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.AmountTooLarge.selector);
        receivables.issueCreditNote(terms, 0, FACE + 1, "note");
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, FACE, "note");
        assertTrue(receivables.statusOf(id) == Status.Settled, "settled");
    }

    /// Nothing one account signs changes another's units.
    function test_CreditNote_OnlyByItsHolder() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        _transfer(supplier, bank, id, FACE / 2);
        vm.prank(debtor.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.issueCreditNote(terms, 0, 1, "note");
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, FACE, "note");
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.joinCreditNote(id, bank.account, "note", 1);
    }

    /* CLOSING OUTSIDE */

    function test_CloseOutside_ByTheHolderAlone() public {
        (bytes32 id,) = _confirmed();
        _transfer(supplier, bank, id, FACE / 2);
        vm.prank(debtor.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.closeOutside(id, bank.account, FACE / 2, "reference");
        vm.prank(bank.signer);
        receivables.closeOutside(id, bank.account, FACE / 2, "reference");
        assertEq(receivables.receivable(id).closed, FACE / 2, "closed");
        assertEq(_pay(debtor, id, FACE), FACE / 2, "the rest is owed still");
        assertTrue(receivables.statusOf(id) == Status.Settled, "settled");
    }

    function test_CloseOutside_Relayed_NamesTheSigner() public {
        (bytes32 id,) = _confirmed();
        bytes memory call =
            abi.encodeCall(receivables.closeOutside, (id, supplier.account, 10, "paid in cash"));
        SignedAction memory action = _signAction(receivables, supplier, call, 7);
        vm.expectEmit();
        emit IERC1155.TransferSingle(supplier.signer, supplier.account, address(0), uint256(id), 10);
        vm.prank(stranger);
        receivables.relay(action);
    }

    function test_CloseOutside_MoreThanItsUnitsCarry_Reverts() public {
        (bytes32 id,) = _confirmed();
        _transfer(supplier, bank, id, 100);
        vm.prank(bank.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.AmountTooLarge.selector, id, 101, 100));
        receivables.closeOutside(id, bank.account, 101, "reference");
    }

    function test_CloseOutside_JoinCreditNote_Dispute_OfNothingOrOfOne() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        bytes memory refused = abi.encodeWithSelector(IReceivablesEvents.AmountTooLarge.selector, id, 0, FACE);
        vm.prank(supplier.signer);
        vm.expectRevert(refused);
        receivables.closeOutside(id, supplier.account, 0, "reference");
        vm.prank(supplier.signer);
        vm.expectRevert(refused);
        receivables.issueCreditNote(terms, 0, 0, "note");
        vm.prank(debtor.signer);
        vm.expectRevert(refused);
        receivables.dispute(terms, 0, "damaged");

        vm.prank(supplier.signer);
        receivables.closeOutside(id, supplier.account, 1, "reference");
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, 1, "note");
        vm.prank(debtor.signer);
        receivables.dispute(terms, 1, "damaged");
        assertEq(_units(supplier, id), FACE - 3, "one each");
    }

    /* DISPUTES */

    function test_Dispute_TakesOnlyTheSuppliersUnits() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        _transfer(supplier, bank, id, FACE / 2);
        vm.prank(debtor.signer);
        vm.expectPartialRevert(IReceivablesEvents.AmountTooLarge.selector);
        receivables.dispute(terms, FACE / 2 + 1, "damaged");
        vm.prank(debtor.signer);
        bytes32 lot = receivables.dispute(terms, 1000, "damaged");

        assertEq(lot, receivables.lotId(id, 1), "lot id");
        assertEq(_units(supplier, lot), 1000, "the supplier's lot");
        assertEq(_units(supplier, id), FACE / 2 - 1000, "out of the main part");
        assertEq(_units(bank, id), FACE / 2, "the bank's are untouched");
        assertTrue(receivables.receivable(id).disputed, "marked");
        assertEq(receivables.receivable(id).face, FACE - 1000, "face of the main part");

        _pay(debtor, id, FACE);
        assertTrue(receivables.statusOf(id) == Status.Settled, "the main part alone");
        assertTrue(receivables.statusOf(lot) == Status.Confirmed, "the lot is owed still");
    }

    function test_Dispute_ReleasedLot_PayableNotTransferable() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        vm.prank(debtor.signer);
        bytes32 lot = receivables.dispute(terms, 1000, "damaged");
        vm.prank(debtor.signer);
        receivables.endDispute(terms, 1);
        assertFalse(receivables.receivable(id).disputed, "over");
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.LotNotTransferable.selector, lot));
        receivables.transfer(lot, supplier.account, bank.account, 1);
        vm.prank(debtor.signer);
        receivables.payAsDebtor(terms, 1, 1000);
        (uint64 face,) = _redeem(supplier, lot);
        assertEq(face, 1000, "paid");
        vm.prank(debtor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NotDisputed.selector, lot));
        receivables.endDispute(terms, 1);
    }

    function test_Dispute_EndsWithThePaymentOrCreditNoteOfTheLot() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        vm.prank(debtor.signer);
        bytes32 lot = receivables.dispute(terms, 1000, "damaged");
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 1, 1000, "note");
        assertTrue(receivables.statusOf(lot) == Status.Settled, "lot settled");
        assertFalse(receivables.receivable(id).disputed, "over");
    }

    function test_Dispute_OfAllOfIt_MakesItTheLot() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        vm.prank(debtor.signer);
        assertEq(receivables.dispute(terms, FACE, "nothing came"), id, "itself");
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.LotNotTransferable.selector);
        receivables.transfer(id, supplier.account, bank.account, 1);
        vm.prank(debtor.signer);
        receivables.endDispute(terms, 0);
        assertFalse(receivables.receivable(id).disputed, "over");
        _pay(debtor, id, FACE);
        assertTrue(receivables.statusOf(id) == Status.Settled, "payable");
    }

    function test_Dispute_Again_EachLotByItself() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        for (uint8 i = 1; i <= 5; ++i) {
            vm.prank(debtor.signer);
            assertEq(receivables.dispute(terms, i, "damaged"), receivables.lotId(id, i), "lot");
            assertEq(receivables.receivable(id).lots, i, "so many left it");
        }
        assertEq(receivables.receivable(id).face, FACE - 15, "less all of them");
        for (uint8 i = 5; i >= 1; --i) {
            Receivable memory lot = receivables.receivable(receivables.lotId(id, i));
            assertEq(lot.face, i, "its face");
            assertEq(lot.lots, 0, "none left it");
            assertTrue(lot.isLot && lot.disputed && receivables.receivable(id).disputed, "disputed");
            vm.prank(debtor.signer);
            receivables.endDispute(terms, i);
        }
        Receivable memory main = receivables.receivable(id);
        assertFalse(main.disputed, "none any more");
        assertEq(main.lots, 5, "but there are as many");
        assertEq(_pay(debtor, id, FACE), FACE - 15, "owed");
    }

    function test_Dispute_UnderAnIrrevocableUndertaking_Reverts() public {
        Terms memory terms = _terms();
        terms.undertaking = Undertaking.Irrevocable;
        bytes32 id = _issueAndConfirm(terms);
        vm.prank(debtor.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.Irrevocably.selector, id));
        receivables.dispute(terms, 1, "damaged");
    }

    function test_Dispute_AfterPartPayment_KeepsTheAmounts() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        _pay(debtor, id, FACE / 3);
        vm.prank(debtor.signer);
        bytes32 lot = receivables.dispute(terms, 777, "damaged");
        Receivable memory main = receivables.receivable(id);
        Receivable memory apart = receivables.receivable(lot);
        assertEq(uint256(main.face) + apart.face, FACE, "face");
        assertEq(uint256(main.unpaid) + apart.unpaid, FACE - FACE / 3, "unpaid");
        _pay(debtor, id, FACE);
        _pay(debtor, lot, FACE);
        (uint64 first,) = _redeem(supplier, id);
        (uint64 second,) = _redeem(supplier, lot);
        assertEq(uint256(first) + second, FACE, "all of it");
    }

    /* WRITE-OFF */

    function test_WriteOff_OnlyAfterDefault() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        vm.warp(uint256(terms.dueEnd) + uint256(terms.graceDays) * 1 days);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NotInDefault.selector, id));
        receivables.writeOff(id, supplier.account);
    }

    function test_WriteOff_MarksOneHolder_AllMarkedIsWrittenOff_LaterRecovered() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        _transfer(supplier, bank, id, 100);
        _default(terms);
        _writeOff(bank, id);
        assertTrue(receivables.statusOf(id) == Status.Confirmed, "one holder's");
        vm.prank(bank.signer);
        vm.expectPartialRevert(IReceivablesEvents.NotEnoughUnits.selector);
        receivables.transfer(id, bank.account, supplier.account, 1);
        vm.prank(bank.signer);
        vm.expectPartialRevert(IReceivablesEvents.NotEnoughUnits.selector);
        receivables.writeOff(id, bank.account);

        _writeOff(supplier, id);
        assertTrue(receivables.statusOf(id) == Status.WrittenOff, "all of it");
        assertEq(_pay(debtor, id, 100), 100, "still payable");
        _pay(debtor, id, FACE);
        assertTrue(receivables.phaseOf(id) == Phase.Recovered, "recovered");
        (uint64 banks,) = _redeem(bank, id);
        (uint64 suppliers,) = _redeem(supplier, id);
        assertEq(uint256(banks) + suppliers, FACE, "shared");
    }

    function test_WriteOff_LastUnmarkedHolderCloses_IsWrittenOff() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        _transfer(supplier, bank, id, FACE / 2);
        _default(terms);
        _writeOff(bank, id);
        vm.prank(supplier.signer);
        receivables.closeOutside(id, supplier.account, FACE / 2, "reference");
        assertTrue(receivables.statusOf(id) == Status.WrittenOff, "what is left is all marked");
        vm.prank(bank.signer);
        receivables.closeOutside(id, bank.account, FACE / 4, "reference");
        assertEq(receivables.holding(id, bank.account).marked, FACE / 4, "no more marked than held");
    }

    function test_WriteOff_NothingLeftToMark_Reverts() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        _transfer(supplier, bank, id, 1);
        _default(terms);
        bytes memory refused =
            abi.encodeWithSelector(IReceivablesEvents.NotEnoughUnits.selector, id, otherBank.account, 0, 1);
        vm.prank(otherBank.signer);
        vm.expectRevert(refused);
        receivables.writeOff(id, otherBank.account);
        _writeOff(bank, id);
        assertEq(receivables.holding(id, bank.account).marked, 1, "a single unit");
    }

    /// A holder of one unit tries to block everybody.
    function test_OneUnit_BlocksNobody() public {
        (bytes32 id, Terms memory terms) = _confirmed();
        _transfer(supplier, subSupplier, id, 1);
        _transfer(supplier, bank, id, FACE / 2);
        vm.prank(supplier.signer);
        receivables.issueCreditNote(terms, 0, 1000, "note");
        vm.prank(bank.signer);
        receivables.closeOutside(id, bank.account, 500, "reference");
        _pay(debtor, id, type(uint64).max);
        _redeem(bank, id);
        _redeem(supplier, id);
        (uint64 face,) = _redeem(subSupplier, id);
        assertEq(face, 1, "its unit");
        assertEq(euro.balanceOf(address(receivables)), 0, "nothing left behind");
    }

    /* LATE INTEREST OF WHAT IS EXTINGUISHED */

    function test_Late_ExtinguishingCancelsItsShare() public {
        Terms memory terms = _terms();
        terms.lateRate = 100_000;
        bytes32 id = _issueAndConfirm(terms);
        _transfer(supplier, bank, id, FACE / 4);
        vm.warp(terms.dueEnd + 365 days);
        vm.prank(bank.signer);
        receivables.closeOutside(id, bank.account, FACE / 4, "reference");
        (, uint64 interest) = receivables.due(id);
        assertLe(FACE / 40 * 3 - interest, 1, "three quarters of a year's");
    }

    function test_Late_ADisputedLotTakesItsShareAlong() public {
        Terms memory terms = _terms();
        terms.lateRate = 100_000;
        bytes32 id = _issueAndConfirm(terms);
        vm.warp(terms.dueEnd + 365 days);
        vm.prank(debtor.signer);
        bytes32 lot = receivables.dispute(terms, FACE / 4, "late");
        (, uint64 main) = receivables.due(id);
        (, uint64 apart) = receivables.due(lot);
        assertLe(FACE / 10 - main - apart, 1, "no more, no less");
    }
}
