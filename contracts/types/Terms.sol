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

using {hash, check, word, addressAt, hashSupply, emitIssued} for Terms global;
using {signerOf, bytesAt, otherCount, hashConsent, hashClaim, emitConfirmed} for Confirmation global;

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

// Where members of `Terms` are, in bytes from its beginning.
uint256 constant TERMS_SUPPLIER = 0x00;
uint256 constant TERMS_DEBTOR = 0x20;
uint256 constant TERMS_TOKEN = 0x40;
uint256 constant TERMS_CURRENCY = 0x60;
uint256 constant TERMS_AMOUNT = 0x80;
uint256 constant TERMS_DUE_END = 0xa0;
uint256 constant TERMS_GRACE_DAYS = 0xc0;
uint256 constant TERMS_LATE_RATE = 0xe0;
uint256 constant TERMS_UNDERTAKING = 0x100;
uint256 constant TERMS_PAYMENT_ORDER = 0x120;
uint256 constant TERMS_KEY_SET = 0x140;
uint256 constant TERMS_FINGERPRINT = 0x160;
uint256 constant TERMS_OTHER_FINGERPRINTS = 0x180;

// Where members of `Confirmation` are.
uint256 constant CONFIRMATION_SIGNATURE = 0x80;
uint256 constant CONFIRMATION_COSIGNATURE = 0xa0;

/// @notice EIP-712 `hashStruct` of the terms, which is the receivable's id.
/// @dev All members are atomic, so their encoding is the calldata as it stands, in range or not: see `check`.
function hash(Terms calldata terms) pure returns (bytes32 id) {
    bytes32 typehash = TERMS_TYPEHASH;
    assembly ("memory-safe") {
        let data := mload(0x40)
        mstore(data, typehash)
        calldatacopy(add(data, 0x20), terms, 0x1e0)
        id := keccak256(data, 0x200)
    }
}

/// @notice Reverts, as the compiler's own checks do, if a member does not fit its type: a promise has one id.
/// @dev Once for all members. The compiler checks each where it is read, for more than all of this.
function check(Terms calldata terms) pure {
    assembly ("memory-safe") {
        let excess :=
            or(or(calldataload(terms), calldataload(add(terms, 0x20))), calldataload(add(terms, 0x40)))
        excess := shr(160, excess)
        excess := or(excess, shl(24, calldataload(add(terms, 0x60)))) // currency, at the word's left
        excess := or(excess, shr(64, calldataload(add(terms, 0x80)))) // amount
        excess := or(excess, shr(40, calldataload(add(terms, 0xa0)))) // dueEnd
        excess := or(excess, shr(16, calldataload(add(terms, 0xc0)))) // graceDays
        excess := or(excess, shr(24, calldataload(add(terms, 0xe0)))) // lateRate
        excess := or(excess, shr(1, calldataload(add(terms, 0x100)))) // undertaking
        excess := or(excess, shr(1, calldataload(add(terms, 0x120)))) // paymentOrder
        excess := or(excess, shr(32, calldataload(add(terms, 0x140)))) // keySet
        if excess { revert(0, 0) }
    }
}

/// @notice A member as it stands in calldata, of terms that were checked or whose id is known.
function word(Terms calldata terms, uint256 position) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := calldataload(add(terms, position))
    }
}

/// @notice An account or token among the members, likewise.
function addressAt(Terms calldata terms, uint256 position) pure returns (address value) {
    assembly ("memory-safe") {
        value := shr(96, shl(96, calldataload(add(terms, position))))
    }
}

/// @notice Who supplies, paid in which token: see `Asked`.
function hashSupply(Terms calldata terms) pure returns (bytes32 parties) {
    assembly ("memory-safe") {
        mstore(0x00, calldataload(terms)) // supplier
        mstore(0x20, calldataload(add(terms, 0x40))) // token
        parties := keccak256(0x00, 0x40)
    }
}

/// @notice Emits `IReceivablesEvents.Issued`, with the terms as they stand in calldata.
function emitIssued(Terms calldata terms, bytes32 id) {
    bytes32 topic = IReceivablesEvents.Issued.selector;
    assembly ("memory-safe") {
        let data := mload(0x40)
        // Supplier and debtor are topics.
        calldatacopy(data, add(terms, 0x40), 0x1a0)
        log4(data, 0x1a0, topic, id, calldataload(terms), calldataload(add(terms, 0x20)))
    }
}

/// @notice The signer as it stands in calldata; what does not fit an address is cut off.
function signerOf(Confirmation calldata confirmation) pure returns (address signer) {
    assembly ("memory-safe") {
        signer := shr(96, shl(96, calldataload(confirmation)))
    }
}

/// @notice How many further fingerprints there are.
function otherCount(Confirmation calldata confirmation) pure returns (uint256 count) {
    assembly ("memory-safe") {
        count := calldataload(add(confirmation, calldataload(add(confirmation, 0x60))))
    }
}

/// @notice Which debtor confirms, paying in which token, by whose signature: see `Asked`. Zero if there are two signers.
function hashConsent(Confirmation calldata confirmation, Terms calldata terms)
    pure
    returns (bytes32 parties)
{
    if (confirmation.bytesAt(CONFIRMATION_COSIGNATURE).length != 0) return 0;
    assembly ("memory-safe") {
        let data := mload(0x40)
        calldatacopy(data, add(terms, 0x20), 0x40) // debtor, token
        mstore(add(data, 0x40), calldataload(confirmation)) // signer
        parties := keccak256(data, 0x60)
    }
}

/// @notice The same, and which supplier issues. The signer for the supplier is the call's.
function hashClaim(Confirmation calldata confirmation, Terms calldata terms) pure returns (bytes32 parties) {
    if (confirmation.bytesAt(CONFIRMATION_COSIGNATURE).length != 0) return 0;
    assembly ("memory-safe") {
        let data := mload(0x40)
        calldatacopy(data, terms, 0x60) // supplier, debtor, token
        mstore(add(data, 0x60), calldataload(confirmation)) // signer
        parties := keccak256(data, 0x80)
    }
}

/// @notice A member of bytes, which must lie in calldata: what the compiler's own check asks, at a third of its cost.
function bytesAt(Confirmation calldata confirmation, uint256 position) pure returns (bytes calldata member) {
    assembly ("memory-safe") {
        let start := calldataload(add(confirmation, position))
        let outside := shr(64, start)
        start := add(confirmation, start)
        member.length := calldataload(start)
        member.offset := add(start, 0x20)
        outside := or(outside, shr(64, member.length))
        if or(outside, gt(add(member.offset, member.length), calldatasize())) { revert(0, 0) }
    }
}

/// @notice Emits `IReceivablesEvents.Confirmed`.
function emitConfirmed(Confirmation calldata confirmation, bytes32 id, address cosigner) {
    bytes32 topic = IReceivablesEvents.Confirmed.selector;
    address signer = confirmation.signerOf();
    assembly ("memory-safe") {
        let data := mload(0x40)
        mstore(data, shr(96, shl(96, cosigner)))
        // Nonce and deadline follow the signer.
        calldatacopy(add(data, 0x20), add(confirmation, 0x20), 0x40)
        log3(data, 0x60, topic, id, signer)
    }
}
