// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {SCOPE_TRANSFER, Sides, UNLIMITED} from "../../../contracts/types/Account.sol";
import {Holding, OperatorState, Parcel, Status} from "../../../contracts/types/Receivable.sol";
import {Offer} from "../../../contracts/types/Sale.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Branches: ReceivablesTitle.tree.
contract ReceivablesTitleTest is LedgerTest {
    address internal constant LOCK = address(0x10CC);

    function _suspend(Actor memory actor) internal {
        address[] memory accounts = new address[](1);
        accounts[0] = actor.account;
        participants.suspend(accounts, "reason");
    }

    function _expectTransferReverts(Actor memory from, Actor memory to, bytes32 id, bytes4 selector)
        internal
    {
        vm.prank(from.signer);
        vm.expectPartialRevert(selector);
        receivables.transfer(id, from.account, to.account, 1);
    }

    /* TRANSFER */

    function test_Transfer_DownTheTiers_KeepsSupply(uint64 first, uint64 second) public {
        bytes32 id = _claim();
        first = uint64(bound(first, 1, FACE));
        second = uint64(bound(second, 1, first));
        _transfer(supplier, subSupplier, id, first);
        _transfer(subSupplier, bank, id, second);
        assertEq(_units(supplier, id), FACE - first, "supplier");
        assertEq(_units(subSupplier, id), first - second, "second tier");
        assertEq(_units(bank, id), second, "bank");
    }

    function test_Transfer_ByTheStandardsFunctions() public {
        bytes32 id = _claim();
        vm.prank(supplier.signer);
        receivables.safeTransferFrom(supplier.account, bank.account, uint256(id), 5, "");
        uint256[] memory ids = new uint256[](2);
        uint256[] memory values = new uint256[](2);
        (ids[0], ids[1]) = (uint256(id), uint256(id));
        (values[0], values[1]) = (FACE - 5, 1);
        // Duplicate ids in one batch see each other.
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.NotEnoughUnits.selector);
        receivables.safeBatchTransferFrom(supplier.account, bank.account, ids, values, "");
        values[0] = FACE - 6;
        vm.prank(supplier.signer);
        receivables.safeBatchTransferFrom(supplier.account, bank.account, ids, values, "");
        assertEq(_units(bank, id), FACE, "all of it");
    }

    function test_Transfer_BeforeConfirmation_Reverts() public {
        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        bytes32 id = receivables.issue(terms);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Issued));
        receivables.transfer(id, supplier.account, bank.account, 1);
    }

    function test_Transfer_WhenSettled_Reverts() public {
        bytes32 id = _claim();
        _pay(debtor, id, FACE);
        _expectTransferReverts(supplier, bank, id, IReceivablesEvents.StatusIs.selector);
    }

    function test_Transfer_SuspendedOrExpiredOrUnknown_Reverts() public {
        bytes32 id = _claim();
        uint256 clean = vm.snapshotState();
        _suspend(supplier);
        _expectTransferReverts(supplier, bank, id, IParticipants.Suspended.selector);
        vm.revertToState(clean);

        clean = vm.snapshotState();
        _suspend(bank);
        _expectTransferReverts(supplier, bank, id, IParticipants.Suspended.selector);
        vm.revertToState(clean);

        participants.renew(bank.account, 4, uint40(block.timestamp), "ended");
        _expectTransferReverts(supplier, bank, id, IParticipants.NotAdmitted.selector);

        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAdmitted.selector);
        receivables.transfer(id, supplier.account, stranger, 1);
    }

    function test_Transfer_OutOfAnExpiredAdmission_IsSellingOut() public {
        bytes32 id = _claim();
        participants.renew(supplier.account, 1, uint40(block.timestamp), "ended");
        _transfer(supplier, bank, id, FACE);
        assertEq(_units(bank, id), FACE, "sold out");
    }

    function test_Transfer_ApproveThenTransferFrom_IsNoWayAround() public {
        bytes32 id = _claim();
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ApprovalsAreGrants.selector);
        receivables.setApprovalForAll(stranger, true);
        vm.prank(stranger);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.safeTransferFrom(supplier.account, bank.account, uint256(id), 1, "");
        assertFalse(receivables.isApprovedForAll(supplier.account, stranger), "stranger");
        assertTrue(receivables.isApprovedForAll(supplier.account, supplier.signer), "signer");
    }

    function test_Transfer_AboveTheKeysLimit_Reverts() public {
        bytes32 id = _claim();
        vm.prank(supplier.signer);
        participants.grantKey(
            supplier.account,
            bytes32(uint256(uint160(stranger))),
            SCOPE_TRANSFER,
            0,
            0,
            type(uint40).max,
            100,
            UNLIMITED
        );
        vm.prank(stranger);
        vm.expectPartialRevert(IParticipants.AboveLimit.selector);
        receivables.transfer(id, supplier.account, bank.account, 101);
        vm.prank(stranger);
        receivables.transfer(id, supplier.account, bank.account, 100);
        assertFalse(receivables.isApprovedForAll(supplier.account, stranger), "limited");
    }

    function test_Transfer_NeedsConsent() public {
        bytes32 id = _claim();
        vm.prank(bank.signer);
        participants.setStandingConsent(bank.account, false);
        _expectTransferReverts(supplier, bank, id, IReceivablesEvents.ReceiverHasNotConsented.selector);
        vm.prank(bank.signer);
        receivables.allowReceipt(id, bank.account, 10);
        _transfer(supplier, bank, id, 6);
        assertEq(receivables.receiptAllowed(id, bank.account), 4, "left");
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.ReceiverHasNotConsented.selector);
        receivables.transfer(id, supplier.account, bank.account, 5);
        _transfer(supplier, bank, id, 4);
        assertEq(receivables.receiptAllowed(id, bank.account), 0, "all of it");
    }

    function test_Transfer_ZeroOrTooMuchOrTooSmall_Reverts() public {
        bytes32 id = _claim();
        (uint32 currency,) = receivables.currencyOf(address(euro));
        receivables.setCurrency(currency, true, 50, 180);
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.transfer(id, supplier.account, bank.account, 0);
        // Nor none out of none.
        vm.prank(bank.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.transfer(id, bank.account, supplier.account, 0);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.NotEnoughUnits.selector);
        receivables.transfer(id, supplier.account, bank.account, FACE + 1);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.BelowMinimum.selector, 49, 50));
        receivables.transfer(id, supplier.account, bank.account, 49);
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.ArgumentInvalid.selector);
        receivables.safeTransferFrom(supplier.account, bank.account, uint256(id), 1 << 64, "");
        // All that is left may go, however little.
        _transfer(supplier, bank, id, FACE - 50);
        _transfer(supplier, bank, id, 50);
    }

    function test_Transfer_ToSelf_ChangesNothing() public {
        bytes32 id = _claim();
        _transfer(supplier, supplier, id, FACE / 2);
        assertEq(_units(supplier, id), FACE, "units");
    }

    /// Whoever takes all of it over takes the main holder's place, and what the one before did is not forgotten.
    function test_Transfer_Whole_FromHandToHand() public {
        bytes32 id = _claim();
        _sell(id);
        assertEq(_units(supplier, id), 0, "supplier");
        assertTrue(receivables.holding(id, bank.account).sold, "bought");
        _transfer(bank, otherBank, id, FACE);
        Holding memory gone = receivables.holding(id, bank.account);
        assertEq(gone.units, 0, "gave all");
        assertEq(gone.sent, FACE, "and it is remembered");
        assertTrue(gone.sold, "that it had bought");
        assertTrue(receivables.holding(id, otherBank.account).sold, "mark goes along");
        // Back to one who has a place of its own.
        _transfer(otherBank, bank, id, FACE);
        assertEq(_units(bank, id), FACE, "back");
        assertEq(receivables.holding(id, bank.account).sent, FACE, "still");
        assertEq(_units(otherBank, id), 0, "none left");
        _transfer(bank, supplier, id, FACE / 2);
        _pay(debtor, id, FACE);
        (uint64 face,) = _redeem(bank, id);
        assertEq(face, FACE - FACE / 2, "its half");
        (face,) = _redeem(supplier, id);
        assertEq(face, FACE / 2, "the other half");
        assertEq(_units(bank, id) + _units(supplier, id), 0, "burnt");
    }

    function test_Transfer_Whole_ToWhoHasSome() public {
        bytes32 id = _claim();
        _transfer(supplier, bank, id, FACE / 4);
        _transfer(supplier, bank, id, FACE - FACE / 4);
        assertEq(_units(bank, id), FACE, "all");
        assertEq(_units(supplier, id), 0, "none");
        _transfer(bank, supplier, id, FACE);
        assertEq(_units(supplier, id), FACE, "back");
        assertEq(_units(bank, id), 0, "none again");
    }

    function test_Transfer_WhenPaused_Reverts() public {
        bytes32 id = _claim();
        receivables.pause();
        _expectTransferReverts(supplier, bank, id, IReceivablesEvents.NewBusinessPaused.selector);
    }

    /* OPERATORS */

    function test_Operators_OnlyRecordedOnes() public {
        bytes32 id = _claim();
        Parcel[] memory parcels = new Parcel[](1);
        parcels[0] = Parcel(id, 1, 0);
        Sides memory sides = _sides(supplier, bank);
        bytes memory refused = abi.encodeWithSelector(IReceivablesEvents.NotOperator.selector, stranger);
        vm.prank(stranger);
        vm.expectRevert(refused);
        receivables.sell(sides, true, parcels);
        vm.prank(stranger);
        vm.expectRevert(refused);
        receivables.lock(parcels[0], supplier.account, LOCK, true);
        vm.prank(stranger);
        vm.expectRevert(refused);
        receivables.unlock(id, LOCK, bank.account, true);
        vm.prank(stranger);
        vm.expectRevert(refused);
        receivables.sendBack(id, supplier.account, bank.account, 1);
    }

    /// Signed and accepted, an offer still buys nothing that is not, or no longer, a claim to be sold.
    function test_Sell_WhatCannotBeTransferred_Reverts() public {
        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        bytes32 id = receivables.issue(terms);
        _expectSaleReverts(
            id, FACE, abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Issued)
        );
        receivables.confirm(terms, _confirmation(terms));
        vm.prank(debtor.signer);
        bytes32 lot = receivables.dispute(terms, 1000, "damaged");
        vm.prank(debtor.signer);
        receivables.endDispute(terms, 1);
        _expectSaleReverts(
            lot, 1000, abi.encodeWithSelector(IReceivablesEvents.LotNotTransferable.selector, lot)
        );
        bytes32 paid = _claim();
        _pay(debtor, paid, FACE);
        _expectSaleReverts(
            paid, FACE, abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, paid, Status.Settled)
        );
    }

    function _expectSaleReverts(bytes32 id, uint64 units, bytes memory refused) internal {
        Offer memory offer = _offerOf(supplier, bank, id, units, units);
        bytes memory signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(refused);
        financing.accept(offer, 0, signature);
        offer.lockTime = 1 days;
        signature = _signed(bank, offer);
        vm.prank(supplier.signer);
        vm.expectRevert(refused);
        financing.accept(offer, 0, signature);
    }

    /// The old deployment left alive after a migration.
    function test_Operators_WindingDown_SellNothing() public {
        bytes32 id = _claim();
        receivables.setOperator(address(this), OperatorState.Active);
        receivables.lock(Parcel(id, 10, 10), supplier.account, LOCK, false);
        receivables.setOperator(address(this), OperatorState.WindingDown);
        vm.expectPartialRevert(IReceivablesEvents.NotOperator.selector);
        receivables.lock(Parcel(id, 10, 10), supplier.account, address(0x10CD), false);
        receivables.unlock(id, LOCK, supplier.account, false);
        assertEq(_units(supplier, id), FACE, "given back");
    }

    function test_Lock_MoneyPaidMeanwhileFollowsTheUnits() public {
        bytes32 id = _claim();
        receivables.setOperator(address(this), OperatorState.Active);
        receivables.lock(Parcel(id, FACE / 2, FACE / 2), supplier.account, LOCK, false);
        vm.expectPartialRevert(IReceivablesEvents.NotALock.selector);
        receivables.lock(Parcel(id, 1, 1), supplier.account, LOCK, false);
        vm.expectPartialRevert(IReceivablesEvents.NotALock.selector);
        receivables.lock(Parcel(id, 1, 1), supplier.account, bank.account, false);

        _pay(debtor, id, FACE);
        (uint64 face,) = _redeem(supplier, id);
        assertEq(face, FACE / 2, "of what was not locked");
        receivables.unlock(id, LOCK, bank.account, true);
        (face,) = _redeem(bank, id);
        assertEq(face, FACE / 2, "what was paid on the lock");
        vm.expectPartialRevert(IReceivablesEvents.NotALock.selector);
        receivables.unlock(id, LOCK, bank.account, true);
    }

    function test_Lock_MoneyPaidInPartFollowsTheUnits() public {
        bytes32 id = _claim();
        receivables.setOperator(address(this), OperatorState.Active);
        receivables.lock(Parcel(id, FACE / 4, FACE / 4), supplier.account, LOCK, false);
        _pay(debtor, id, FACE / 2);
        receivables.unlock(id, LOCK, bank.account, true);
        assertEq(receivables.holding(id, bank.account).redeemable, FACE / 8, "followed");
        assertEq(receivables.holding(id, supplier.account).redeemable, FACE / 8 * 3, "the rest");
    }

    /// Late interest, too; and a lock of a suspended buyer waits.
    function test_Lock_InterestPaidMeanwhileFollowsTheUnits() public {
        Terms memory terms = _terms();
        terms.lateRate = 100_000;
        bytes32 id = _issueAndConfirm(terms);
        receivables.setOperator(address(this), OperatorState.Active);
        receivables.lock(Parcel(id, FACE / 4, FACE / 4), supplier.account, LOCK, false);
        // A tenth in 365 days, so a sixty-fourth: such fractions divide without rest.
        vm.warp(terms.dueEnd + 4_927_500);
        _pay(debtor, id, FACE / 64);
        _suspend(bank);
        vm.expectRevert(abi.encodeWithSelector(IParticipants.Suspended.selector, bank.account));
        receivables.unlock(id, LOCK, bank.account, true);
        receivables.unlock(id, LOCK, otherBank.account, true);
        assertEq(receivables.holding(id, otherBank.account).redeemableInterest, FACE / 256, "followed");
        assertEq(receivables.holding(id, LOCK).redeemableInterest, 0, "nothing left");
        assertEq(receivables.holding(id, supplier.account).redeemableInterest, FACE / 256 * 3, "the rest");
    }

    function test_HeldSince_CountsWhatWasSentAway() public {
        bytes32 id = _claim();
        _sell(id);
        uint64 sent = receivables.holding(id, bank.account).sent;
        assertEq(receivables.heldSince(id, bank.account, FACE, sent), FACE, "all");
        _transfer(bank, otherBank, id, 100);
        _transfer(otherBank, bank, id, 100);
        assertEq(receivables.heldSince(id, bank.account, FACE, sent), FACE - 100, "bought back cheap");
        assertEq(receivables.heldSince(id, bank.account, 101, sent), 1, "of a smaller sale");
        assertEq(receivables.heldSince(id, bank.account, 100, sent), 0, "all of it went");
        assertEq(receivables.heldSince(id, bank.account, 99, sent), 0, "and more");
        _transfer(bank, supplier, id, FACE - 10);
        assertEq(receivables.heldSince(id, bank.account, 2 * FACE, sent), 10, "no more than it has");
    }

    /// Units that no sale touched come back as they went: there is none whose recourse they could count against.
    function test_SendBack_OfWhatWasNeverSold_MarksNothing() public {
        bytes32 id = _claim();
        _transfer(supplier, bank, id, 40);
        receivables.setOperator(address(this), OperatorState.Active);
        receivables.sendBack(id, bank.account, supplier.account, 40);
        assertEq(_units(supplier, id), FACE, "all of it");
        assertFalse(receivables.holding(id, supplier.account).sold, "sold");
    }

    function test_SendBack_WhatIsSettled_Reverts() public {
        bytes32 id = _claim();
        _transfer(supplier, bank, id, 40);
        _pay(debtor, id, FACE);
        receivables.setOperator(address(this), OperatorState.Active);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Settled));
        receivables.sendBack(id, bank.account, supplier.account, 40);
    }

    /// A count that has stopped no longer says how many, so nothing counts as held ever since.
    function test_HeldSince_WhenTheCountHasStopped_IsNothing() public {
        Terms memory terms = _terms();
        terms.amount = type(uint64).max;
        bytes32 id = _issueAndConfirm(terms);
        _accept(supplier, bank, _offerOf(supplier, bank, id, type(uint64).max, 1));
        _transfer(bank, otherBank, id, type(uint64).max - 1);
        _transfer(otherBank, bank, id, type(uint64).max - 1);
        assertEq(receivables.heldSince(id, bank.account, 1, type(uint64).max - 2), 0, "one less than all");
        assertEq(receivables.heldSince(id, bank.account, 1, type(uint64).max - 1), 1, "counted so far");
        _transfer(bank, otherBank, id, 100);
        _transfer(otherBank, bank, id, 100);
        assertEq(receivables.holding(id, bank.account).sent, type(uint64).max, "stopped");
        assertEq(receivables.heldSince(id, bank.account, 1, type(uint64).max), 0, "nothing");
        // Nor does recourse let it fall again.
        receivables.setOperator(address(this), OperatorState.Active);
        receivables.sendBack(id, bank.account, supplier.account, 10);
        assertEq(receivables.holding(id, bank.account).sent, type(uint64).max, "still");
    }
}
