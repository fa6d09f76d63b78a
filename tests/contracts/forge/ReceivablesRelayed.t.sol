// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {ISignedActions, SignedAction} from "../../../contracts/interfaces/ISignedActions.sol";
import {Status} from "../../../contracts/types/Receivable.sol";
import {Confirmation, Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Every action of Receivables, signed by who may and sent by a stranger. Branches: SignedActions.tree.
contract ReceivablesRelayedTest is LedgerTest {
    string private constant TERMS = "address supplier,address debtor,address token,bytes3 currency,uint64 amount,"
        "uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,"
        "bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,";
    string private constant REPLACED = "address replacedSupplier,address replacedDebtor,address replacedToken,"
        "bytes3 replacedCurrency,uint64 replacedAmount,uint40 replacedDueEnd,uint16 replacedGraceDays,"
        "uint24 replacedLateRate,uint8 replacedUndertaking,uint8 replacedPaymentOrder,uint32 replacedKeySet,"
        "bytes32 replacedFingerprint,bytes32 replacedOtherFingerprints,bytes32 replacedDocumentRoot,"
        "bytes32 replacedRules,";
    string private constant END = "uint256 nonce,uint256 deadline,uint256 gasFloor)";

    uint256 private _nonce;

    /// Signs the call, checks that what was signed is the EIP-712 struct of that type with these arguments, and has a
    /// stranger send it.
    function _relay(Actor memory actor, bytes memory call, string memory signed, bytes memory arguments)
        private
    {
        SignedAction memory action = _signAction(receivables, actor, call, ++_nonce);
        bytes32 typehash = keccak256(bytes(string.concat(signed, END)));
        assertEq(receivables.actionTypehash(bytes4(call)), typehash, signed);
        bytes32 structHash =
            keccak256(abi.encodePacked(typehash, arguments, action.nonce, action.deadline, action.gasFloor));
        assertEq(
            receivables.actionDigest(action),
            _typed(address(receivables), "Tallystick Receivables", structHash),
            "digest"
        );
        vm.prank(stranger);
        receivables.relay(action);
        assertTrue(receivables.isNonceUsed(actor.signer, action.nonce), "nonce");
        vm.expectPartialRevert(ISignedActions.NonceUsed.selector);
        receivables.relay(action);
    }

    function test_Relay_IssueCancelReject() public {
        Terms memory terms = _terms();
        _relay(
            supplier,
            abi.encodeCall(receivables.issue, (terms)),
            string.concat("Issue(", TERMS),
            abi.encode(terms)
        );
        _relay(
            supplier,
            abi.encodeCall(receivables.cancel, (terms, "mistake")),
            string.concat("Cancel(", TERMS, "bytes32 reason,"),
            abi.encode(terms, bytes32("mistake"))
        );
        assertTrue(receivables.statusOf(receivables.idOf(terms)) == Status.Cancelled, "cancelled");

        terms = _terms();
        vm.prank(supplier.signer);
        receivables.issue(terms);
        _relay(
            debtor,
            abi.encodeCall(receivables.reject, (terms, "not ours")),
            string.concat("Reject(", TERMS, "bytes32 reason,"),
            abi.encode(terms, bytes32("not ours"))
        );
        assertTrue(receivables.statusOf(receivables.idOf(terms)) == Status.Cancelled, "rejected");
    }

    function test_Relay_IssueAndConfirm_Replace() public {
        Terms memory old = _terms();
        Confirmation memory confirmation = _confirmation(old);
        _relay(
            supplier,
            abi.encodeCall(receivables.issueAndConfirm, (old, confirmation)),
            string.concat("IssueAndConfirm(", TERMS),
            abi.encode(old)
        );
        bytes32 replaced = receivables.idOf(old);

        Terms memory terms = _terms();
        confirmation = _confirmation(terms);
        confirmation.signature = _signature(
            debtor.key,
            receivables.confirmationDigest(terms, replaced, confirmation.nonce, confirmation.deadline)
        );
        bytes32[] memory fingerprints = new bytes32[](1);
        fingerprints[0] = old.fingerprint;
        _relay(
            supplier,
            abi.encodeCall(receivables.replace, (old, terms, fingerprints, confirmation)),
            string.concat("Replace(", REPLACED, TERMS),
            abi.encode(old, terms)
        );
        assertTrue(receivables.statusOf(replaced) == Status.Replaced, "replaced");
        assertTrue(receivables.statusOf(receivables.idOf(terms)) == Status.Confirmed, "in its place");
    }

    function test_Relay_TransferWithReceiptAllowed() public {
        bytes32 id = _claim();
        vm.prank(bank.signer);
        participants.setStandingConsent(bank.account, false);
        _relay(
            bank,
            abi.encodeCall(receivables.allowReceipt, (id, bank.account, 7)),
            "AllowReceipt(bytes32 id,address account,uint64 units,",
            abi.encode(id, bank.account, 7)
        );
        assertEq(receivables.receiptAllowed(id, bank.account), 7, "allowed");
        _relay(
            supplier,
            abi.encodeCall(receivables.transfer, (id, supplier.account, bank.account, 5)),
            "Transfer(bytes32 id,address from,address to,uint64 units,",
            abi.encode(id, supplier.account, bank.account, 5)
        );
        assertEq(_units(bank, id), 5, "transferred");
        assertEq(receivables.receiptAllowed(id, bank.account), 2, "left");
    }

    function test_Relay_PayAndRedeem() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        uint256 wallet = euro.balanceOf(debtor.signer);
        uint256 payout = euro.balanceOf(supplier.payout);
        _relay(
            debtor,
            abi.encodeCall(receivables.payAsDebtor, (terms, 0, FACE / 2)),
            string.concat("PayAsDebtor(", TERMS, "uint8 lot,uint64 payment,"),
            abi.encode(terms, 0, FACE / 2)
        );
        _relay(
            supplier,
            abi.encodeCall(receivables.redeem, (id, supplier.account)),
            "Redeem(bytes32 id,address account,",
            abi.encode(id, supplier.account)
        );
        assertEq(euro.balanceOf(supplier.payout) - payout, FACE / 2, "out");
        _relay(
            debtor,
            abi.encodeCall(receivables.pay, (id, FACE)),
            "Pay(bytes32 id,uint64 amount,",
            abi.encode(id, FACE)
        );
        assertEq(wallet - euro.balanceOf(debtor.signer), FACE, "from who signed");

        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (id, _claim());
        _relay(
            supplier,
            abi.encodeCall(receivables.redeemMany, (ids, supplier.account)),
            "RedeemMany(bytes32[] ids,address account,",
            abi.encode(keccak256(abi.encodePacked(ids)), supplier.account)
        );
        assertEq(euro.balanceOf(supplier.payout) - payout, FACE, "all of it out");
    }

    /// A list of none ends with the word that says so, and is an action like any other.
    function test_ActionDigest_OfAnEmptyList() public view {
        bytes memory call = abi.encodeCall(receivables.redeemMany, (new bytes32[](0), supplier.account));
        SignedAction memory action = _signAction(receivables, supplier, call, 9);
        bytes32 structHash = keccak256(
            abi.encode(
                receivables.actionTypehash(receivables.redeemMany.selector),
                keccak256(""),
                supplier.account,
                action.nonce,
                action.deadline,
                action.gasFloor
            )
        );
        assertEq(
            receivables.actionDigest(action),
            _typed(address(receivables), "Tallystick Receivables", structHash),
            "digest"
        );
    }

    function test_Relay_CreditNoteAndClosing() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        _transfer(supplier, bank, id, FACE - 10);
        _relay(
            supplier,
            abi.encodeCall(receivables.issueCreditNote, (terms, 0, 30, "note")),
            string.concat("IssueCreditNote(", TERMS, "uint8 lot,uint64 total,bytes32 note,"),
            abi.encode(terms, 0, 30, bytes32("note"))
        );
        assertEq(receivables.creditNoteLeft(id, "note"), 20, "the supplier's own came first");
        _relay(
            bank,
            abi.encodeCall(receivables.joinCreditNote, (id, bank.account, "note", 20)),
            "JoinCreditNote(bytes32 id,address account,bytes32 note,uint64 amount,",
            abi.encode(id, bank.account, bytes32("note"), 20)
        );
        _relay(
            bank,
            abi.encodeCall(receivables.closeOutside, (id, bank.account, 40, "wire")),
            "CloseOutside(bytes32 id,address account,uint64 amount,bytes32 paymentReference,",
            abi.encode(id, bank.account, 40, bytes32("wire"))
        );
        assertEq(receivables.receivable(id).unpaid, FACE - 70, "unpaid");
    }

    function test_Relay_Dispute() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        _relay(
            debtor,
            abi.encodeCall(receivables.dispute, (terms, 30, "broken")),
            string.concat("Dispute(", TERMS, "uint64 disputed,bytes32 reason,"),
            abi.encode(terms, 30, bytes32("broken"))
        );
        assertTrue(receivables.receivable(id).disputed, "disputed");
        _relay(
            debtor,
            abi.encodeCall(receivables.endDispute, (terms, 1)),
            string.concat("EndDispute(", TERMS, "uint8 lot,"),
            abi.encode(terms, 1)
        );
        assertFalse(receivables.receivable(id).disputed, "disputed");
    }

    function test_Relay_WaiverAndWriteOff() public {
        Terms memory terms = _terms();
        bytes32 id = _issueAndConfirm(terms);
        vm.warp(terms.dueEnd + 11 days);
        _relay(
            supplier,
            abi.encodeCall(receivables.waiveInterest, (id, supplier.account, true)),
            "WaiveInterest(bytes32 id,address account,bool waived,",
            abi.encode(id, supplier.account, true)
        );
        assertTrue(receivables.holding(id, supplier.account).waivesInterest, "waives");
        _relay(
            supplier,
            abi.encodeCall(receivables.writeOff, (id, supplier.account)),
            "WriteOff(bytes32 id,address account,",
            abi.encode(id, supplier.account)
        );
        assertTrue(receivables.statusOf(id) == Status.WrittenOff, "written off");
    }

    /// What needs no signer's word, or is for operators, cannot be signed for.
    function test_Relay_WhatCannotBeSignedFor() public {
        Terms memory terms = _terms();
        bytes[4] memory calls = [
            abi.encodeCall(receivables.confirm, (terms, _confirmation(terms))),
            abi.encodeCall(receivables.returnInterest, (terms, 0)),
            abi.encodeCall(receivables.sendBack, ("id", bank.account, supplier.account, 1)),
            abi.encodeCall(receivables.pause, ())
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            assertEq(receivables.actionTypehash(bytes4(calls[i])), 0, "no action");
            SignedAction memory action = SignedAction({
                signer: supplier.signer,
                nonce: 0,
                deadline: block.timestamp,
                gasFloor: 0,
                callData: calls[i],
                signature: "",
                cosignature: ""
            });
            vm.expectRevert(abi.encodeWithSelector(ISignedActions.ActionUnknown.selector, bytes4(calls[i])));
            receivables.relay(action);
        }
    }

    /// A relayed action is checked as a call of its signer's own.
    function test_Relay_ByWhoMayNot_FailsAsTheCallWould() public {
        bytes32 id = _claim();
        SignedAction memory action = _signAction(
            receivables, bank, abi.encodeCall(receivables.redeem, (id, supplier.account)), ++_nonce
        );
        _pay(debtor, id, 1);
        vm.expectRevert();
        receivables.relay(action);
        assertFalse(receivables.isNonceUsed(bank.signer, action.nonce), "nonce used");
        action = _signAction(
            receivables,
            supplier,
            abi.encodeCall(receivables.redeem, (bytes32("none"), supplier.account)),
            900
        );
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NothingDue.selector, bytes32("none")));
        receivables.relay(action);
    }
}
