// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFingerprints} from "../../../contracts/interfaces/IFingerprints.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {SCOPE_ALL, SCOPE_CONFIRM} from "../../../contracts/types/Account.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {Confirmation, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Branches: ReceivablesIssuance.tree.
contract ReceivablesIssuanceTest is LedgerTest {
    function _issue(Terms memory terms) internal returns (bytes32) {
        vm.prank(supplier.signer);
        return receivables.issue(terms);
    }

    function _one(bytes32 word) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = word;
    }

    /* ISSUE */

    function test_Issue_GivesTheUnitsToTheSupplier() public {
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        assertEq(id, receivables.idOf(terms), "id is the terms' hash");
        assertTrue(receivables.statusOf(id) == Status.Issued, "issued");
        assertEq(_units(supplier, id), FACE, "units");
    }

    function test_Issue_Twice_Reverts() public {
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.AlreadyIssued.selector, id));
        receivables.issue(terms);
    }

    function test_Issue_ByAnother_Reverts() public {
        Terms memory terms = _terms();
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.issue(terms);
    }

    function test_Issue_WithoutTheRole_Reverts() public {
        Terms memory terms = _terms();
        terms.supplier = bank.account;
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAdmitted.selector);
        receivables.issue(terms);
    }

    function test_Issue_ZeroAmountOrOwnDebtor_Reverts() public {
        Terms memory terms = _terms();
        terms.amount = 0;
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.TermsInvalid.selector);
        receivables.issue(terms);
        terms.amount = 1;
        terms.debtor = supplier.account;
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.TermsInvalid.selector);
        receivables.issue(terms);
    }

    function test_Issue_InACurrencyNotOpen_Reverts() public {
        Terms memory terms = _terms();
        terms.currency = "USD";
        vm.prank(supplier.signer);
        vm.expectRevert(
            abi.encodeWithSelector(IReceivablesEvents.CurrencyNotOpen.selector, address(euro), bytes3("USD"))
        );
        receivables.issue(terms);
        (uint32 currency,) = receivables.currencyOf(address(euro));
        receivables.setCurrency(currency, false, 1, 180);
        terms.currency = EUR;
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IReceivablesEvents.CurrencyNotOpen.selector);
        receivables.issue(terms);
    }

    function test_Issue_WhenPaused_Reverts() public {
        receivables.pause();
        Terms memory terms = _terms();
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.NewBusinessPaused.selector);
        receivables.issue(terms);
        receivables.unpause();
        _issue(_terms());
    }

    function test_Issue_PastDue_Reverts() public {
        Terms memory terms = _terms();
        vm.warp(terms.dueEnd + 1);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.PastDue.selector, terms.dueEnd));
        receivables.issue(terms);
    }

    function test_Issue_Relayed() public {
        Terms memory terms = _terms();
        SignedAction memory action =
            _signAction(receivables, supplier, abi.encodeCall(receivables.issue, (terms)), 1);
        vm.prank(stranger);
        receivables.relay(action);
        assertTrue(receivables.statusOf(receivables.idOf(terms)) == Status.Issued, "issued");
    }

    /* CONFIRM */

    function test_Confirm_ByWhoeverSendsTheSignature() public {
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(stranger);
        receivables.confirm(terms, confirmation);
        assertTrue(receivables.statusOf(id) == Status.Confirmed, "confirmed");
        assertEq(receivables.receivable(id).confirmedAt, block.timestamp, "when");
        assertEq(fingerprints.idOf(debtor.account, terms.fingerprint), id, "slot");
    }

    /// Huma V1 2026: a poke by anybody moved an unapproved thing forward.
    function test_Confirm_WithoutTheDebtorsSignature_Reverts() public {
        Terms memory terms = _terms();
        _issue(terms);
        Confirmation memory confirmation = _confirmationBy(supplier, terms, 1);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.confirm(terms, confirmation);
        confirmation.signer = debtor.signer;
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.confirm(terms, confirmation);
    }

    function test_Confirm_OtherTermsThanSigned_Reverts() public {
        Terms memory terms = _terms();
        Confirmation memory confirmation = _confirmation(terms);
        terms.amount += 1;
        _issue(terms);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.confirm(terms, confirmation);
    }

    function test_Confirm_OnAnotherChain_Reverts() public {
        Terms memory terms = _terms();
        _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        vm.chainId(block.chainid + 1);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.confirm(terms, confirmation);
    }

    function test_Confirm_AfterTheDeadline_Reverts() public {
        Terms memory terms = _terms();
        _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        vm.warp(confirmation.deadline + 1);
        vm.expectPartialRevert(IReceivablesEvents.ConfirmationExpired.selector);
        receivables.confirm(terms, confirmation);
    }

    function test_Confirm_AfterCancellingTheSignature_Reverts() public {
        Terms memory terms = _terms();
        _issue(terms);
        Confirmation memory confirmation = _confirmationBy(debtor, terms, 300);
        vm.prank(debtor.signer);
        receivables.cancelNonces(1, 1 << 44);
        vm.expectRevert(abi.encodeWithSelector(ISignedActions.NonceUsed.selector, debtor.signer, 300));
        receivables.confirm(terms, confirmation);
    }

    function test_Confirm_Twice_Reverts() public {
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        receivables.confirm(terms, confirmation);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Confirmed));
        receivables.confirm(terms, confirmation);
    }

    function test_Confirm_TenorTooLong_Reverts() public {
        Terms memory terms = _terms();
        terms.dueEnd = uint40(block.timestamp + 180 days + 1);
        _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        vm.expectPartialRevert(IReceivablesEvents.TenorTooLong.selector);
        receivables.confirm(terms, confirmation);
        vm.warp(block.timestamp + 1);
        confirmation = _confirmation(terms);
        receivables.confirm(terms, confirmation);
    }

    function test_Confirm_WithinTheLongestTenorOfAll() public {
        (uint32 currency,) = receivables.currencyOf(address(euro));
        receivables.setCurrency(currency, true, 1, 365);
        Terms memory terms = _terms();
        terms.dueEnd = uint40(block.timestamp + 365 days);
        bytes32 id = _issueAndConfirm(terms);
        assertEq(receivables.receivable(id).confirmedAt, block.timestamp, "confirmed");
    }

    function test_Confirm_NoTimeOfConfirmationBefore() public {
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        assertEq(receivables.receivable(id).confirmedAt, 0, "issued");
        vm.prank(supplier.signer);
        receivables.cancel(terms, "mistake");
        assertEq(receivables.receivable(id).confirmedAt, 0, "cancelled");
    }

    function test_Confirm_AboveWhatOneSignerMay_NeedsTwo() public {
        uint256 second = uint256(keccak256("second"));
        vm.prank(debtor.signer);
        participants.grantKey(
            debtor.account, _key(vm.addr(second)), SCOPE_CONFIRM, 0, 0, type(uint40).max, FACE, FACE
        );
        vm.prank(debtor.signer);
        participants.grantKey(
            debtor.account, _key(debtor.signer), SCOPE_ALL, 0, 0, type(uint40).max, type(uint64).max, FACE - 1
        );
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        vm.expectPartialRevert(IParticipants.SecondSignerNeeded.selector);
        receivables.confirm(terms, confirmation);

        bytes32 digest = receivables.confirmationDigest(terms, 0, confirmation.nonce, confirmation.deadline);
        confirmation.cosignature = abi.encodePacked(debtor.signer, _signature(debtor.key, digest));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.confirm(terms, confirmation);
        confirmation.cosignature = abi.encodePacked(vm.addr(second), _signature(second, digest));
        receivables.confirm(terms, confirmation);
        assertTrue(receivables.statusOf(id) == Status.Confirmed, "by two");
    }

    function _key(address signer) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(signer)));
    }

    /* ONE INVOICE, ONE CLAIM */

    function test_Confirm_TheSameInvoiceAgain_Reverts() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        Terms memory again = _terms();
        again.fingerprint = terms.fingerprint;
        Confirmation memory confirmation = _confirmationBy(debtor, again, 77);
        vm.prank(supplier.signer);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFingerprints.FingerprintAlreadyTaken.selector, debtor.account, terms.fingerprint, id
            )
        );
        receivables.issueAndConfirm(again, confirmation);
        assertTrue(
            receivables.statusOf(receivables.idOf(again)) == Status.None, "what is refused never shows"
        );
    }

    /// Another supplier, or a debtor in league with it, cannot burn a victim's invoice.
    function test_Confirm_SquattingUnderAnotherDebtor_ChangesNothing() public {
        Actor memory rogue = _actor("rogue debtor", 2);
        Terms memory terms = _terms();
        Terms memory copy = _terms();
        copy.fingerprint = terms.fingerprint;
        copy.supplier = subSupplier.account;
        copy.debtor = rogue.account;
        Confirmation memory confirmation = _confirmationBy(rogue, copy, 1);
        vm.prank(subSupplier.signer);
        receivables.issueAndConfirm(copy, confirmation);

        bytes32 id = _issueAndConfirm(terms);
        assertEq(fingerprints.idOf(debtor.account, terms.fingerprint), id, "the victim's slot is its own");
    }

    function test_Confirm_AllFingerprintsOrNone() public {
        bytes32[] memory keys = new bytes32[](2);
        (keys[0], keys[1]) = ("one", "two");
        fingerprints.changeKeys(keys);
        bytes32[] memory others = _one("other");
        Terms memory terms = _terms();
        terms.otherFingerprints = keccak256(abi.encodePacked(others));
        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.OtherFingerprintsMismatch.selector);
        receivables.issueAndConfirm(terms, confirmation);

        confirmation.otherFingerprints = others;
        vm.prank(supplier.signer);
        bytes32 id = receivables.issueAndConfirm(terms, confirmation);
        assertEq(fingerprints.idOf(debtor.account, "other"), id, "the other slot");

        terms = _terms();
        confirmation = _confirmation(terms);
        confirmation.otherFingerprints = others;
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.OtherFingerprintsMismatch.selector);
        receivables.issueAndConfirm(terms, confirmation);
        confirmation.otherFingerprints = new bytes32[](0);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.FingerprintCountInvalid.selector, 1, 2));
        receivables.issueAndConfirm(terms, confirmation);
    }

    function test_Confirm_UnderAnOldKeySet_Reverts() public {
        Terms memory terms = _terms();
        fingerprints.changeKeys(_one("new key"));
        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IFingerprints.KeySetNotCurrent.selector, 1, 2));
        receivables.issueAndConfirm(terms, confirmation);
    }
}
