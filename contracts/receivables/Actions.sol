// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {IReceivablesExtension} from "../interfaces/IReceivablesExtension.sol";
import {IReceivablesRemedies} from "../interfaces/IReceivablesRemedies.sol";

/// @title What can be signed for on Receivables: see `ISignedActions`
library Actions {
    bytes32 private constant ISSUE = keccak256(
        "Issue(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant ISSUE_AND_CONFIRM = keccak256(
        "IssueAndConfirm(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant REPLACE = keccak256(
        "Replace(address replacedSupplier,address replacedDebtor,address replacedToken,bytes3 replacedCurrency,uint64 replacedAmount,uint40 replacedDueEnd,uint16 replacedGraceDays,uint24 replacedLateRate,uint8 replacedUndertaking,uint8 replacedPaymentOrder,uint32 replacedKeySet,bytes32 replacedFingerprint,bytes32 replacedOtherFingerprints,bytes32 replacedDocumentRoot,bytes32 replacedRules,address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant CANCEL = keccak256(
        "Cancel(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,bytes32 reason,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant REJECT = keccak256(
        "Reject(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,bytes32 reason,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant TRANSFER = keccak256(
        "Transfer(bytes32 id,address from,address to,uint64 units,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant ALLOW_RECEIPT = keccak256(
        "AllowReceipt(bytes32 id,address account,uint64 units,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant PAY =
        keccak256("Pay(bytes32 id,uint64 amount,uint256 nonce,uint256 deadline,uint256 gasFloor)");
    bytes32 private constant PAY_AS_DEBTOR = keccak256(
        "PayAsDebtor(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,uint8 lot,uint64 payment,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant REDEEM =
        keccak256("Redeem(bytes32 id,address account,uint256 nonce,uint256 deadline,uint256 gasFloor)");
    bytes32 private constant REDEEM_MANY = keccak256(
        "RedeemMany(bytes32[] ids,address account,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant ISSUE_CREDIT_NOTE = keccak256(
        "IssueCreditNote(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,uint8 lot,uint64 total,bytes32 note,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant JOIN_CREDIT_NOTE = keccak256(
        "JoinCreditNote(bytes32 id,address account,bytes32 note,uint64 amount,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant CLOSE_OUTSIDE = keccak256(
        "CloseOutside(bytes32 id,address account,uint64 amount,bytes32 paymentReference,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant DISPUTE = keccak256(
        "Dispute(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,uint64 disputed,bytes32 reason,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant END_DISPUTE = keccak256(
        "EndDispute(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules,uint8 lot,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant WAIVE_INTEREST = keccak256(
        "WaiveInterest(bytes32 id,address account,bool waived,uint256 nonce,uint256 deadline,uint256 gasFloor)"
    );
    bytes32 private constant WRITE_OFF =
        keccak256("WriteOff(bytes32 id,address account,uint256 nonce,uint256 deadline,uint256 gasFloor)");

    /// Encodings, see `SignedActions`: all arguments as they are; so many words of them, which are the terms; a list of
    /// ids and an account.
    uint256 private constant ATOMIC = 0;
    uint256 private constant TERMS = 15;
    uint256 private constant IDS = 2 | (2 << 8);

    /// The EIP-712 type hash and the argument encoding of a function, zero where there is none.
    function find(bytes4 function_) internal pure returns (bytes32 typehash, uint256 encoding) {
        // Compared as words, the most frequent first: each comparison of a shorter type costs as much again.
        uint256 selector = uint32(function_);
        if (selector == uint32(IReceivablesCore.issueAndConfirm.selector)) return (ISSUE_AND_CONFIRM, TERMS);
        if (selector == uint32(IReceivablesCore.pay.selector)) return (PAY, ATOMIC);
        if (selector == uint32(IReceivablesCore.transfer.selector)) return (TRANSFER, ATOMIC);
        if (selector == uint32(IReceivablesCore.redeem.selector)) return (REDEEM, ATOMIC);
        if (selector == uint32(IReceivablesCore.issue.selector)) return (ISSUE, ATOMIC);
        if (selector == uint32(IReceivablesExtension.redeemMany.selector)) return (REDEEM_MANY, IDS);
        if (selector == uint32(IReceivablesExtension.payAsDebtor.selector)) return (PAY_AS_DEBTOR, ATOMIC);
        if (selector == uint32(IReceivablesExtension.allowReceipt.selector)) return (ALLOW_RECEIPT, ATOMIC);
        if (selector == uint32(IReceivablesCore.replace.selector)) return (REPLACE, 2 * TERMS);
        if (selector == uint32(IReceivablesRemedies.cancel.selector)) return (CANCEL, ATOMIC);
        if (selector == uint32(IReceivablesRemedies.reject.selector)) return (REJECT, ATOMIC);
        if (selector == uint32(IReceivablesRemedies.issueCreditNote.selector)) {
            return (ISSUE_CREDIT_NOTE, ATOMIC);
        }
        if (selector == uint32(IReceivablesRemedies.joinCreditNote.selector)) {
            return (JOIN_CREDIT_NOTE, ATOMIC);
        }
        if (selector == uint32(IReceivablesRemedies.closeOutside.selector)) return (CLOSE_OUTSIDE, ATOMIC);
        if (selector == uint32(IReceivablesRemedies.dispute.selector)) return (DISPUTE, ATOMIC);
        if (selector == uint32(IReceivablesRemedies.endDispute.selector)) return (END_DISPUTE, ATOMIC);
        if (selector == uint32(IReceivablesRemedies.waiveInterest.selector)) return (WAIVE_INTEREST, ATOMIC);
        if (selector == uint32(IReceivablesRemedies.writeOff.selector)) return (WRITE_OFF, ATOMIC);
    }
}
