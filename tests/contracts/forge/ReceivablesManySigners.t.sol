// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFingerprints} from "../../../contracts/interfaces/IFingerprints.sol";
import {IParticipants} from "../../../contracts/interfaces/IParticipants.sol";
import {SCOPE_ALL, SCOPE_CONFIRM, SCOPE_ISSUE, UNLIMITED} from "../../../contracts/types/Account.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {
    ACKNOWLEDGED_STATEMENT_HASH,
    CONFIRMATION_TYPEHASH,
    Confirmation,
    Terms
} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Several at once, each by whoever may, with all their slots. Branches: ReceivablesMany.tree.
contract ReceivablesManySignersTest is LedgerTest {
    /// A signer is asked about once for equal parties: for the largest amount, not for the first.
    function test_IssueMany_EachWithinTheLimit() public {
        _grant(supplier, stranger, SCOPE_ISSUE, 100, UNLIMITED);
        Terms[] memory terms = new Terms[](3);
        (terms[0], terms[1], terms[2]) = (_terms(), _terms(), _terms());
        (terms[0].amount, terms[1].amount, terms[2].amount) = (100, 1, 101);
        vm.prank(stranger);
        vm.expectPartialRevert(IParticipants.AboveLimit.selector);
        receivables.issueMany(terms);
        terms[2].amount = 100;
        terms[2].supplier = subSupplier.account;
        vm.prank(stranger);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.issueMany(terms);
        terms[2].supplier = supplier.account;
        vm.prank(stranger);
        bytes32[] memory ids = receivables.issueMany(terms);
        assertEq(_units(supplier, ids[2]), 100, "units");
    }

    function test_ConfirmMany_EachByWhoeverMay() public {
        uint256 clerk = uint256(keccak256("clerk"));
        _grant(debtor, vm.addr(clerk), SCOPE_CONFIRM, FACE - 1, FACE - 2);
        (Terms[] memory terms, Confirmation[] memory confirmations) = _some(2);
        vm.prank(supplier.signer);
        bytes32[] memory ids = receivables.issueMany(terms);
        _signAs(clerk, confirmations[1], ids[1]);
        vm.expectPartialRevert(IParticipants.AboveLimit.selector);
        receivables.confirmMany(terms, confirmations);
        confirmations[1] = _confirmation(terms[1]);
        receivables.confirmMany(terms, confirmations);
        assertTrue(receivables.statusOf(ids[1]) == Status.Confirmed, "both");
        assertEq(fingerprints.idOf(debtor.account, terms[1].fingerprint), ids[1], "slot");
    }

    function test_IssueAndConfirmMany_AllTheirSlotsOrNone() public {
        (Terms[] memory terms, Confirmation[] memory confirmations) = _some(2);
        terms[1].fingerprint = terms[0].fingerprint;
        confirmations[1] = _confirmation(terms[1]);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IFingerprints.FingerprintAlreadyTaken.selector);
        receivables.issueAndConfirmMany(terms, confirmations);
        (terms, confirmations) = _some(2);
        vm.prank(supplier.signer);
        bytes32[] memory ids = receivables.issueAndConfirmMany(terms, confirmations);
        assertEq(fingerprints.idOf(debtor.account, terms[1].fingerprint), ids[1], "slot");
        // One with two fingerprints among those with one.
        (terms, confirmations) = _some(2);
        terms[0].otherFingerprints = keccak256(abi.encodePacked(bytes32("second identifier")));
        confirmations[0] = _confirmation(terms[0]);
        confirmations[0].otherFingerprints = new bytes32[](1);
        confirmations[0].otherFingerprints[0] = "second identifier";
        vm.prank(supplier.signer);
        ids = receivables.issueAndConfirmMany(terms, confirmations);
        assertEq(fingerprints.idOf(debtor.account, "second identifier"), ids[0], "other slot");
        assertEq(fingerprints.idOf(debtor.account, terms[1].fingerprint), ids[1], "slot");
    }

    function test_IssueAndConfirmMany_EachByWhoeverMay() public {
        (Terms[] memory terms, Confirmation[] memory confirmations) = _some(2);
        _signAs(uint256(keccak256("nobody's")), confirmations[1], receivables.idOf(terms[1]));
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.issueAndConfirmMany(terms, confirmations);
    }

    /// That two in a row were asked about vouches for nobody else's signature of the third.
    function test_Many_AnotherSignerAfterTwoOfTheSame_IsAsked() public {
        (Terms[] memory terms, Confirmation[] memory confirmations) = _some(3);
        _signAs(uint256(keccak256("nobody's")), confirmations[2], receivables.idOf(terms[2]));
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.issueAndConfirmMany(terms, confirmations);
        vm.prank(supplier.signer);
        receivables.issueMany(terms);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.confirmMany(terms, confirmations);
    }

    function test_ConfirmMany_EachSecondSignerToo() public {
        uint256 colleague = uint256(keccak256("colleague"));
        _grant(debtor, vm.addr(colleague), SCOPE_CONFIRM, UNLIMITED, UNLIMITED);
        _grant(debtor, debtor.signer, SCOPE_ALL, UNLIMITED, 1);
        (Terms[] memory terms, Confirmation[] memory confirmations) = _some(2);
        _cosign(colleague, terms[0], confirmations[0]);
        _cosign(uint256(keccak256("nobody's")), terms[1], confirmations[1]);
        vm.prank(supplier.signer);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.issueAndConfirmMany(terms, confirmations);
        vm.prank(supplier.signer);
        receivables.issueMany(terms);
        vm.expectPartialRevert(IParticipants.NotAuthorised.selector);
        receivables.confirmMany(terms, confirmations);
        _cosign(colleague, terms[1], confirmations[1]);
        receivables.confirmMany(terms, confirmations);
    }

    function _cosign(uint256 key, Terms memory terms, Confirmation memory confirmation) private view {
        bytes32 digest = receivables.confirmationDigest(terms, 0, confirmation.nonce, confirmation.deadline);
        confirmation.cosignature = abi.encodePacked(vm.addr(key), _signature(key, digest));
    }

    function _some(uint256 count)
        private
        returns (Terms[] memory terms, Confirmation[] memory confirmations)
    {
        terms = new Terms[](count);
        confirmations = new Confirmation[](count);
        for (uint256 i = 0; i < count; ++i) {
            terms[i] = _terms();
            confirmations[i] = _confirmation(terms[i]);
        }
    }

    function _signAs(uint256 key, Confirmation memory confirmation, bytes32 id) private view {
        confirmation.signer = vm.addr(key);
        bytes32 structHash = keccak256(
            abi.encode(
                CONFIRMATION_TYPEHASH,
                ACKNOWLEDGED_STATEMENT_HASH,
                id,
                confirmation.nonce,
                confirmation.deadline
            )
        );
        confirmation.signature =
            _signature(key, _typed(address(receivables), "Tallystick Receivables", structHash));
    }

    function _grant(Actor memory actor, address key, uint16 scope, uint64 limit, uint64 alone) private {
        vm.prank(actor.signer);
        participants.grantKey(
            actor.account, bytes32(uint256(uint160(key))), scope, 0, 0, type(uint40).max, limit, alone
        );
    }
}
