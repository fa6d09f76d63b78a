// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice An invoice with one fingerprint, whose slot is to be taken.
struct Taking {
    address debtor;
    bytes32 fingerprint;
    uint32 keySet;
    bytes32 id;
}

using {members} for Taking global;

/// @notice The members as they stand in calldata, what does not fit cut off: the compiler's checks cost four times as much.
function members(Taking calldata taking)
    pure
    returns (address debtor, bytes32 fingerprint, uint32 keySet, bytes32 id)
{
    assembly ("memory-safe") {
        debtor := shr(96, shl(96, calldataload(taking)))
        fingerprint := calldataload(add(taking, 0x20))
        keySet := and(calldataload(add(taking, 0x40)), 0xffffffff)
        id := calldataload(add(taking, 0x60))
    }
}

/// @title The register of invoices: one invoice, at most one live claim
/// @notice A slot is (debtor, fingerprint). It is taken once, for ever, in the transaction that records the debtor's
/// signature; nothing frees it. It can only be pointed anew, when debtor and supplier together replace a claim. The register outlives any version of `Receivables`.
/// @dev A fingerprint is the first 32 bytes of the output of ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381) under a key
/// whose public part is here, over the canonical identity of the invoice. The chain cannot compute it: the debtor
/// checks the proof before signing, and anybody to whom it is shown can check it afterwards.
/// @dev Warning: equal fingerprints under other debtors are possible, and are reported from the events, not refused:
/// who could refuse them could burn a victim's invoice.
interface IFingerprints {
    event FingerprintTaken(address indexed debtor, bytes32 indexed fingerprint, bytes32 indexed id);
    event FingerprintRepointed(
        address indexed debtor, bytes32 indexed fingerprint, bytes32 indexed id, bytes32 replaced
    );
    event WriterRecorded(address indexed writer);
    event WriterRetired(address indexed writer);
    event WriterPaused(address indexed writer, bool paused);
    /// @param keys Public keys, Ed25519 points as RFC 8032 encodes them, that fingerprints must be made under from now.
    event KeySetChanged(uint32 indexed keySet, bytes32[] keys);

    /// @notice Thrown when the slot is taken: this debtor has confirmed this invoice before.
    error FingerprintAlreadyTaken(address debtor, bytes32 fingerprint, bytes32 id);
    /// @notice Thrown when the slot does not point to what is to be replaced.
    error FingerprintNotOf(address debtor, bytes32 fingerprint, bytes32 replaced);
    /// @notice Thrown when a fingerprint is zero.
    error FingerprintZero();
    /// @notice Thrown when the caller is not a recorded version of Receivables.
    error NotWriter(address caller);
    /// @notice Thrown when the writer has paused its new business.
    error NewBusinessPaused();
    /// @notice Thrown when the contract is recorded already.
    error AlreadyWriter(address writer);
    /// @notice Thrown when fingerprints were made under another set of keys than the present one.
    error KeySetNotCurrent(uint32 keySet, uint32 current);
    /// @notice Thrown when the fingerprints are not as many for each active key.
    error FingerprintCountInvalid(uint256 count, uint256 keys);
    /// @notice Thrown when a set of keys is empty, too large, or holds zero or a key twice.
    error KeysInvalid();

    /// @notice Takes the slot of an invoice that has one fingerprint: one active key, one identifier of the seller.
    /// @dev By recorded writers only.
    function take(address debtor, bytes32 fingerprint, uint32 keySet, bytes32 id) external;

    /// @notice Takes the slots of several such invoices, or none.
    /// @dev By recorded writers only.
    function takeMany(Taking[] calldata takings) external;

    /// @notice Takes the slots of all fingerprints of an invoice, or none.
    /// @dev By recorded writers only. There must be as many for each active key.
    function takeAll(address debtor, bytes32[] calldata fingerprints, uint32 keySet, bytes32 id) external;

    /// @notice Points the slots of a replaced claim to the one that takes its place, and takes the new one's.
    /// @dev By recorded writers only, and only where every old slot points to `replaced`.
    function replace(
        address debtor,
        bytes32[] calldata oldFingerprints,
        bytes32 replaced,
        bytes32[] calldata newFingerprints,
        uint32 keySet,
        bytes32 id
    ) external;

    /// @notice What the slot points to: the receivable's id, zero if the slot is free.
    function idOf(address debtor, bytes32 fingerprint) external view returns (bytes32);

    /// @notice Refuses, or lets through again, whatever the caller asks to take or to point anew: its own pause, kept where
    /// each confirmation looks anyway.
    /// @dev Anybody may, for itself; it counts once the caller is a recorded writer, if it is not.
    function pauseWriter(bool paused) external;

    /* ROLES */

    /// @notice Lets a version of Receivables take slots. Takes the AccessManager's delay.
    function recordWriter(address writer) external;

    /// @notice Ends that; what it took stays taken.
    function retireWriter(address writer) external;

    /// @notice Begins a new set of keys. All active keys are in it; sets are never deleted.
    function changeKeys(bytes32[] calldata keys) external;

    function isWriter(address writer) external view returns (bool);

    /// @notice The present set.
    function currentKeySet() external view returns (uint32);

    function keysOf(uint32 keySet) external view returns (bytes32[] memory);
}
