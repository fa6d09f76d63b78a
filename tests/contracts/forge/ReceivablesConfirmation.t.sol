// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {ISignedActions} from "../../../contracts/interfaces/ISignedActions.sol";
import {SCOPE_CONFIRM} from "../../../contracts/types/Account.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {Confirmation, PaymentOrder, Terms, Undertaking} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// When a debtor's signature is not taken, and to what it can be put. Branches: ReceivablesIssuance.tree.
contract ReceivablesConfirmationTest is LedgerTest {
    Actor private _colleague;

    function setUp() public override {
        super.setUp();
        _colleague = debtor;
        _colleague.key = uint256(keccak256("colleague"));
        _colleague.signer = vm.addr(_colleague.key);
        vm.prank(debtor.signer);
        participants.grantKey(
            debtor.account,
            bytes32(uint256(uint160(_colleague.signer))),
            SCOPE_CONFIRM,
            0,
            0,
            type(uint40).max,
            type(uint64).max,
            type(uint64).max
        );
    }

    function _issue(Terms memory terms) private returns (bytes32) {
        vm.prank(supplier.signer);
        return receivables.issue(terms);
    }

    function _digest(Terms memory terms, Confirmation memory confirmation) private view returns (bytes32) {
        return receivables.confirmationDigest(terms, 0, confirmation.nonce, confirmation.deadline);
    }

    function test_Confirm_WhenPaused_Reverts() public {
        Terms memory terms = _terms();
        _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        receivables.pause();
        vm.expectRevert(IReceivablesEvents.NewBusinessPaused.selector);
        receivables.confirm(terms, confirmation);
        receivables.unpause();
        receivables.confirm(terms, confirmation);
    }

    /// A currency that a setting closed takes no new claims, but what was issued may still be confirmed.
    function test_Confirm_InACurrencyClosedSince() public {
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        (uint32 currency,) = receivables.currencyOf(address(euro));
        receivables.setCurrency(currency, false, 1, 180);
        receivables.confirm(terms, _confirmation(terms));
        assertTrue(receivables.statusOf(id) == Status.Confirmed, "confirmed");
    }

    function test_Confirm_TheLastSecondOfTheDueDate_NotTheNext() public {
        Terms memory terms = _terms();
        Terms memory late = _terms();
        _issue(terms);
        _issue(late);
        vm.warp(terms.dueEnd);
        receivables.confirm(terms, _confirmation(terms));
        vm.warp(terms.dueEnd + 1);
        Confirmation memory confirmation = _confirmation(late);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.PastDue.selector, late.dueEnd));
        receivables.confirm(late, confirmation);
    }

    function test_Confirm_TheLastSecondOfItsDeadline() public {
        Terms memory terms = _terms();
        bytes32 id = _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        vm.warp(confirmation.deadline);
        receivables.confirm(terms, confirmation);
        assertEq(receivables.receivable(id).confirmedAt, confirmation.deadline, "when");
    }

    function test_Confirm_WithASecondSignature_OfWhoCancelled_Reverts() public {
        Terms memory terms = _terms();
        _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        confirmation.cosignature =
            abi.encodePacked(_colleague.signer, _signature(_colleague.key, _digest(terms, confirmation)));
        uint256 clean = vm.snapshotState();
        vm.prank(_colleague.signer);
        receivables.cancelNonces(0, 1 << confirmation.nonce);
        vm.expectRevert(
            abi.encodeWithSelector(ISignedActions.NonceUsed.selector, _colleague.signer, confirmation.nonce)
        );
        receivables.confirm(terms, confirmation);
        vm.revertToState(clean);
        vm.expectEmit(address(receivables));
        emit IReceivablesEvents.Confirmed(
            receivables.idOf(terms),
            debtor.signer,
            _colleague.signer,
            confirmation.nonce,
            confirmation.deadline
        );
        receivables.confirm(terms, confirmation);
    }

    function test_Confirm_WithASecondSignature_FalseOrCut_Reverts() public {
        Terms memory terms = _terms();
        _issue(terms);
        Confirmation memory confirmation = _confirmation(terms);
        confirmation.cosignature = abi.encodePacked(bytes19(0));
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.confirm(terms, confirmation);
        confirmation.cosignature = abi.encodePacked(_colleague.signer, confirmation.signature);
        vm.expectPartialRevert(ISignedActions.SignatureInvalid.selector);
        receivables.confirm(terms, confirmation);
        assertTrue(receivables.statusOf(receivables.idOf(terms)) == Status.Issued, "still issued");
    }

    /// What the terms say is what is kept.
    function test_Issue_KeepsItsTerms(
        uint64 amount,
        uint16 grace,
        uint24 rate,
        bool irrevocable,
        bool faceFirst
    ) public {
        Terms memory terms = _terms();
        terms.amount = uint64(bound(amount, 1, type(uint64).max));
        terms.graceDays = grace;
        terms.lateRate = rate;
        terms.undertaking = irrevocable ? Undertaking.Irrevocable : Undertaking.Acknowledged;
        terms.paymentOrder = faceFirst ? PaymentOrder.FaceFirst : PaymentOrder.InterestFirst;
        bytes32 topic = IReceivablesEvents.Issued.selector;
        bytes32 termsId = receivables.idOf(terms);
        vm.expectEmit();
        // As `emit` would; that many arguments are too many for it.
        assembly ("memory-safe") {
            log4(add(terms, 0x40), 0x1a0, topic, termsId, mload(terms), mload(add(terms, 0x20)))
        }
        bytes32 id = _issueAndConfirm(terms);
        assertEq(receivables.receivable(id).face, terms.amount, "face");
        assertEq(receivables.receivable(id).graceDays, grace, "grace");
        assertEq(receivables.receivable(id).lateRate, rate, "late rate");
        assertEq(receivables.receivable(id).dueEnd, terms.dueEnd, "due");
        assertEq(receivables.receivable(id).confirmedAt, block.timestamp, "confirmed");
    }

    function test_Issue_TheLastSecondOfTheDueDate() public {
        Terms memory terms = _terms();
        vm.warp(terms.dueEnd);
        assertTrue(receivables.statusOf(_issue(terms)) == Status.Issued, "issued");
    }

    function test_Issue_WithoutAKeySet_Reverts() public {
        Terms memory terms = _terms();
        terms.keySet = 0;
        vm.prank(supplier.signer);
        vm.expectRevert(IReceivablesEvents.TermsInvalid.selector);
        receivables.issue(terms);
    }

    /// Signatures are read where the call says; that must be within it, to the last byte.
    function test_Confirm_SignaturesThatLieOutside_Revert() public {
        Terms memory terms = _terms();
        bytes memory call = abi.encodeCall(receivables.issueAndConfirm, (terms, _confirmation(terms)));
        uint256 confirmationAt = 4 + 16 * 32;
        // Where the signature and the second one are said to be: beyond the end, and as far as there are numbers.
        for (uint256 i = 4; i < 6; ++i) {
            _expectNoWords(_with(call, confirmationAt + 32 * i, call.length - confirmationAt));
            _expectNoWords(_with(call, confirmationAt + 32 * i, type(uint256).max - confirmationAt));
            _expectNoWords(_with(call, confirmationAt + 32 * i, 1 << 64));
        }
        // How long the second one is, which is the last word.
        _expectNoWords(_with(call, call.length - 32, 1));
        _expectNoWords(_with(call, call.length - 32, type(uint256).max));
        bytes memory cut = new bytes(call.length - 1);
        for (uint256 i = 0; i < cut.length; ++i) {
            cut[i] = call[i];
        }
        _expectNoWords(cut);
        vm.prank(supplier.signer);
        (bool done,) = address(receivables).call(call);
        assertTrue(done, "as it was");
    }

    function _with(bytes memory call, uint256 place, uint256 value) private pure returns (bytes memory bent) {
        bent = abi.encodePacked(call);
        assembly ("memory-safe") {
            mstore(add(add(bent, 0x20), place), value)
        }
    }

    function _expectNoWords(bytes memory call) private {
        vm.prank(supplier.signer);
        (bool done, bytes memory answer) = address(receivables).call(call);
        assertFalse(done, "it reads outside the call");
        assertEq(answer.length, 0, "it refuses without a word, as the compiler would");
    }

    /// One promise, one id: the lowest and the highest bit outside each member's type are refused, by issue and by both.
    function test_Issue_MembersOutOfRange_Revert() public {
        Terms memory terms = _terms();
        uint8[10] memory words = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10];
        uint8[10] memory bits = [160, 160, 160, 64, 40, 16, 24, 1, 1, 32];
        bytes[2] memory calls = [
            abi.encodeCall(receivables.issue, (terms)),
            abi.encodeCall(receivables.issueAndConfirm, (terms, _confirmation(terms)))
        ];
        for (uint256 i = 0; i < 2; ++i) {
            for (uint256 j = 0; j < 10; ++j) {
                _expectNoWords(_withBit(calls[i], words[j], bits[j]));
                _expectNoWords(_withBit(calls[i], words[j], 255));
            }
            // The currency stands at the left.
            _expectNoWords(_withBit(calls[i], 3, 231));
            _expectNoWords(_withBit(calls[i], 3, 0));
        }
    }

    function _withBit(bytes memory data, uint256 word, uint256 bit) private pure returns (bytes memory) {
        uint256 place = 4 + 32 * word;
        uint256 value;
        assembly ("memory-safe") {
            value := mload(add(add(data, 0x20), place))
        }
        return _with(data, place, value | (1 << bit));
    }
}
