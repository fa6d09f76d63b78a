// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesEvents} from "../interfaces/IReceivablesEvents.sol";

/// @notice What the debtor promises beside the amount.
enum Undertaking {
    /// It owes the amount; it may still dispute what the supplier holds.
    Acknowledged,
    /// It pays whoever holds the claim, without defence and without set-off.
    Irrevocable
}

/// @notice What a late payment is counted against first.
enum PaymentOrder {
    InterestFirst,
    FaceFirst
}

/// @notice The terms of a receivable as the debtor signs them. They never change; a receivable's id is their hash.
struct Terms {
    /// The seller's account: the first holder.
    address supplier;
    /// The buyer's account: whoever owes.
    address debtor;
    /// The ERC-20 token in which it is paid.
    address token;
    /// ISO 4217 code of the currency, three capital letters in ASCII.
    bytes3 currency;
    /// What the debtor will actually pay (after prepayment, retention, withholding), in minor units of the currency.
    uint64 amount;
    /// The UTC second that ends the due date in the debtor's zone, after the business-day rule.
    uint40 dueEnd;
    /// Days after `dueEnd` before an unpaid receivable is in default.
    uint16 graceDays;
    /// Late interest in millionths a year, simple, actual/365, on what is unpaid, from `dueEnd`.
    uint24 lateRate;
    Undertaking undertaking;
    PaymentOrder paymentOrder;
    /// The version of the set of fingerprint keys (`IFingerprints`) under which the fingerprints were made.
    uint32 keySet;
    /// The invoice's fingerprint under the first active key and the seller's first identifier (RFC 9381).
    bytes32 fingerprint;
    /// Zero, or the Keccak-256 hash of the packed further fingerprints: one for each other active key and identifier.
    bytes32 otherFingerprints;
    /// Root of the salted fields of the invoice.
    bytes32 documentRoot;
    /// Hash of the programme's rules that both sides agreed.
    bytes32 rules;
}

/// @notice The debtor's consent to terms, or to their taking the place of others.
struct Confirmation {
    /// Whoever signs for the debtor's account: an address with a key, or a contract that answers ERC-1271.
    address signer;
    /// Unordered; see `ISignedActions`. Cancelling it cancels the confirmation.
    uint256 nonce;
    /// The last second, in Unix time, at which the confirmation may be used.
    uint256 deadline;
    /// What `Terms.otherFingerprints` is the hash of.
    bytes32[] otherFingerprints;
    /// EIP-712 signature of `Confirmation`, or of `Replacement`.
    bytes signature;
    /// Empty, or the second signer's address in 20 bytes followed by its signature of the same.
    bytes cosignature;
}

using {hash, emitIssued} for Terms global;

string constant ACKNOWLEDGED_STATEMENT =
    "I owe this amount and will pay it here. I take notice of every assignment recorded here; only payment recorded here discharges me.";

string constant IRREVOCABLE_STATEMENT =
    "I owe this amount and will pay it here to whoever holds it, irrevocably, without defence and without set-off. I take notice of every assignment recorded here; only payment recorded here discharges me.";

bytes32 constant ACKNOWLEDGED_STATEMENT_HASH = keccak256(
    "I owe this amount and will pay it here. I take notice of every assignment recorded here; only payment recorded here discharges me."
);

bytes32 constant IRREVOCABLE_STATEMENT_HASH = keccak256(
    "I owe this amount and will pay it here to whoever holds it, irrevocably, without defence and without set-off. I take notice of every assignment recorded here; only payment recorded here discharges me."
);

bytes32 constant TERMS_TYPEHASH = keccak256(
    "Terms(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules)"
);

bytes32 constant CONFIRMATION_TYPEHASH = keccak256(
    "Confirmation(string statement,Terms terms,uint256 nonce,uint256 deadline)Terms(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules)"
);

bytes32 constant REPLACEMENT_TYPEHASH = keccak256(
    "Replacement(string statement,bytes32 replaced,Terms terms,uint256 nonce,uint256 deadline)Terms(address supplier,address debtor,address token,bytes3 currency,uint64 amount,uint40 dueEnd,uint16 graceDays,uint24 lateRate,uint8 undertaking,uint8 paymentOrder,uint32 keySet,bytes32 fingerprint,bytes32 otherFingerprints,bytes32 documentRoot,bytes32 rules)"
);

/// @notice EIP-712 `hashStruct` of the terms, which is the receivable's id.
/// @dev All members are atomic, so their encoding is the calldata as it stands. Whoever reads a member that does not fit
/// its type is stopped by the compiler's checks; `issue` reads them all.
function hash(Terms calldata terms) pure returns (bytes32 id) {
    bytes32 typehash = TERMS_TYPEHASH;
    assembly ("memory-safe") {
        let data := mload(0x40)
        mstore(data, typehash)
        calldatacopy(add(data, 0x20), terms, 0x1e0)
        id := keccak256(data, 0x200)
    }
}

/// @notice Emits `IReceivablesEvents.Issued`, with the terms as they stand in calldata.
function emitIssued(Terms calldata terms, bytes32 id) {
    bytes32 topic = IReceivablesEvents.Issued.selector;
    address supplier = terms.supplier;
    address debtor = terms.debtor;
    assembly ("memory-safe") {
        let data := mload(0x40)
        calldatacopy(data, terms, 0x1e0)
        log4(data, 0x1e0, topic, id, supplier, debtor)
    }
}
