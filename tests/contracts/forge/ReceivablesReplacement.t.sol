// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {ISignedActions} from "../../../contracts/interfaces/ISignedActions.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {Confirmation, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// What ends before it is sold: withdrawn, rejected, or another in its place. Branches: ReceivablesIssuance.tree.
contract ReceivablesReplacementTest is LedgerTest {
    function _issue(Terms memory terms) private returns (bytes32) {
        vm.prank(supplier.signer);
        return receivables.issue(terms);
    }

    function _replacement(Terms memory terms, bytes32 replaced)
        private
        returns (Confirmation memory confirmation)
    {
        confirmation = _confirmation(terms);
        confirmation.signature = _signature(
            debtor.key,
            receivables.confirmationDigest(terms, replaced, confirmation.nonce, confirmation.deadline)
        );
    }

    function _one(bytes32 word) private pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = word;
    }

    function test_Cancel_AndReject_OnlyBeforeConfirmation() public {
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        vm.prank(bank.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.cancel(terms, "no");
        vm.prank(supplier.signer);
        receivables.cancel(terms, "mistake");
        assertTrue(receivables.statusOf(id) == Status.Cancelled, "cancelled");
        assertEq(_units(supplier, id), 0, "units gone");

        terms = _terms();
        id = _issue(terms);
        vm.prank(debtor.signer);
        receivables.reject(terms, "not delivered");
        assertTrue(receivables.statusOf(id) == Status.Cancelled, "rejected");

        terms = _terms();
        id = _issueAndConfirm(terms);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Confirmed));
        receivables.cancel(terms, "too late");
    }

    function test_Replace_PutsAnotherInItsPlace() public {
        Terms memory old = _terms();
        bytes32 replaced = _issueAndConfirm(old);
        Terms memory terms = _terms();
        terms.amount = FACE - 1;
        Confirmation memory confirmation = _replacement(terms, replaced);
        vm.prank(supplier.signer);
        bytes32 id = receivables.replace(old, terms, _one(old.fingerprint), confirmation);

        assertTrue(receivables.statusOf(replaced) == Status.Replaced, "replaced");
        assertTrue(receivables.statusOf(id) == Status.Confirmed, "in its place");
        assertEq(_units(supplier, replaced), 0, "the old to zero");
        assertEq(_units(supplier, id), FACE - 1, "the new");
        assertEq(fingerprints.idOf(debtor.account, old.fingerprint), id, "never freed");
        assertEq(fingerprints.idOf(debtor.account, terms.fingerprint), id, "pointed anew");
    }

    function test_Replace_WithAnOrdinaryConfirmation_Reverts() public {
        Terms memory old = _terms();
        _issueAndConfirm(old);
        Terms memory terms = _terms();
        Confirmation memory confirmation = _confirmation(terms);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);
    }

    function test_Replace_WhenNotWholeOrSoldOrPaid_Reverts() public {
        Terms memory old = _terms();
        bytes32 id = _issueAndConfirm(old);
        Terms memory terms = _terms();
        Confirmation memory confirmation = _replacement(terms, id);
        bytes memory refused = abi.encodeWithSelector(IReceivablesEvents.NotReplaceable.selector, id);

        _transfer(supplier, bank, id, 1);
        vm.prank(supplier.signer);
        vm.expectRevert(refused);
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);
        _transfer(bank, supplier, id, 1);

        uint256 clean = vm.snapshotState();
        _pay(debtor, id, 1);
        vm.prank(supplier.signer);
        vm.expectRevert(refused);
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);
        vm.revertToState(clean);

        clean = vm.snapshotState();
        _sell(id);
        _transfer(bank, otherBank, id, FACE / 2);
        _transfer(bank, supplier, id, FACE / 2);
        _transfer(otherBank, supplier, id, FACE / 2);
        assertTrue(receivables.holding(id, supplier.account).sold, "marked by way of others");
        vm.prank(supplier.signer);
        vm.expectRevert(refused);
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);
        vm.revertToState(clean);

        vm.prank(supplier.signer);
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);
    }

    function test_Replace_ByOtherParties_Reverts() public {
        Terms memory old = _terms();
        bytes32 replaced = _issueAndConfirm(old);
        Terms memory terms = _terms();
        terms.supplier = subSupplier.account;
        Confirmation memory confirmation = _replacement(terms, replaced);
        vm.prank(subSupplier.signer);
        vm.expectRevert(IReceivablesEvents.PartiesDiffer.selector);
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);

        Actor memory otherDebtor = _actor("other debtor", 2);
        terms.supplier = supplier.account;
        terms.debtor = otherDebtor.account;
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.PartiesDiffer.selector);
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);
    }

    function test_Replace_WithoutItsFingerprints_Reverts() public {
        Terms memory old = _terms();
        bytes32 replaced = _issueAndConfirm(old);
        Terms memory terms = _terms();
        Confirmation memory confirmation = _replacement(terms, replaced);
        bytes32[][3] memory wrong = [new bytes32[](0), _one("another"), new bytes32[](2)];
        (wrong[2][0], wrong[2][1]) = (old.fingerprint, "one too many");
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(supplier.signer);
            vm.expectRevert(IReceivablesEvents.OtherFingerprintsMismatch.selector);
            receivables.replace(old, terms, wrong[i], confirmation);
        }
    }

    function test_Replace_WhatIsNotConfirmed_OrALot_Reverts() public {
        Terms memory old = _terms();
        bytes32 id = _issue(old);
        Terms memory terms = _terms();
        Confirmation memory confirmation = _replacement(terms, id);
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Issued));
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);

        uint256 clean = vm.snapshotState();
        vm.startPrank(supplier.signer);
        receivables.cancel(old, "mistake");
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.StatusIs.selector, id, Status.Cancelled));
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);
        vm.stopPrank();
        vm.revertToState(clean);

        receivables.confirm(old, _confirmation(old));
        vm.prank(debtor.signer);
        receivables.dispute(old, FACE, "all of it");
        vm.prank(supplier.signer);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NotReplaceable.selector, id));
        receivables.replace(old, terms, _one(old.fingerprint), confirmation);
    }

    /// Keeping the fingerprint, and under several keys.
    function test_Replace_UnderSeveralKeys_KeepsAndTakes() public {
        bytes32[] memory keys = new bytes32[](2);
        (keys[0], keys[1]) = ("one", "two");
        fingerprints.changeKeys(keys);
        Terms memory old = _terms();
        old.otherFingerprints = keccak256(abi.encodePacked(_one("other")));
        Confirmation memory confirmation = _confirmation(old);
        confirmation.otherFingerprints = _one("other");
        vm.prank(supplier.signer);
        bytes32 replaced = receivables.issueAndConfirm(old, confirmation);

        Terms memory terms = _terms();
        terms.fingerprint = old.fingerprint;
        terms.otherFingerprints = keccak256(abi.encodePacked(_one("new")));
        confirmation = _replacement(terms, replaced);
        confirmation.otherFingerprints = _one("new");
        bytes32[] memory all = new bytes32[](2);
        (all[0], all[1]) = (old.fingerprint, "other");
        vm.expectEmit(address(receivables));
        emit IReceivablesEvents.Replaced(replaced, receivables.idOf(terms));
        vm.prank(supplier.signer);
        bytes32 id = receivables.replace(old, terms, all, confirmation);
        assertEq(fingerprints.idOf(debtor.account, old.fingerprint), id, "kept");
        assertEq(fingerprints.idOf(debtor.account, "other"), id, "never freed");
        assertEq(fingerprints.idOf(debtor.account, "new"), id, "taken");
    }
}
