// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice An action that its signer signed and anybody may send.
/// @dev The action is a call of the very contract that receives it. What is signed is EIP-712 typed data: the
/// primary type is the function's name with a capital letter, its members are the function's arguments (members of
/// a struct argument stand in its place), then `uint256 nonce,uint256 deadline,uint256 gasFloor`.
struct SignedAction {
    /// Whoever signed: an address with a key, or a contract that answers ERC-1271.
    address signer;
    /// Unordered, unique for the signer on this contract. Nonces that share `nonce >> 8` share a storage word, so
    /// counting upwards is the cheapest way to choose them.
    uint256 nonce;
    /// The last second, in Unix time, at which the action may be carried out.
    uint256 deadline;
    /// The least gas the call must be given, so that no sender makes it fail by starving it.
    uint256 gasFloor;
    /// The call: function selector and ABI-encoded arguments.
    bytes callData;
    /// The signer's signature of the action's digest: r, s, v in 65 bytes, r and v with s
    /// in 64 (ERC-2098), or whatever its ERC-1271 contract takes.
    bytes signature;
    /// Empty, or, where the limits of the signer demand a second one, the second signer's address in 20 bytes
    /// followed by its signature of the same digest.
    bytes cosignature;
}

using {bytesAt, signerOf} for SignedAction global;

// Where these members of an action are, in bytes from its beginning.
uint256 constant ACTION_CALL_DATA = 0x80;
uint256 constant ACTION_SIGNATURE = 0xa0;
uint256 constant ACTION_COSIGNATURE = 0xc0;

/// @notice The signer as it stands in calldata.
function signerOf(SignedAction calldata action) pure returns (address signer) {
    assembly ("memory-safe") {
        signer := shr(96, shl(96, calldataload(action)))
    }
}

/// @notice One of several actions. One that would not lie in calldata reads as zeros, and so expired long ago: it must
/// not stop the others.
function actionAt(SignedAction[] calldata actions, uint256 i) pure returns (SignedAction calldata action) {
    assembly ("memory-safe") {
        let start := calldataload(add(actions.offset, shl(5, i)))
        action := add(actions.offset, start)
        if shr(64, start) { action := calldatasize() }
    }
}

/// @notice A member of bytes. One that would not lie in calldata reads as a single zero, which is no call and no
/// signature, for the same reason.
function bytesAt(SignedAction calldata action, uint256 position) pure returns (bytes calldata member) {
    assembly ("memory-safe") {
        let start := calldataload(add(action, position))
        let outside := shr(64, start)
        start := add(action, start)
        member.length := calldataload(start)
        member.offset := add(start, 0x20)
        outside := or(outside, shr(64, member.length))
        if or(outside, gt(add(member.offset, member.length), calldatasize())) {
            member.offset := calldatasize()
            member.length := 1
        }
    }
}

/// @title Actions that are signed by one and sent by another
/// @notice Every function here that acts for its caller can be called in two ways with the same effect: by the
/// signer itself, or by anybody who brings the signer's EIP-712 signature of exactly this call. The sender can
/// neither change nor redirect what was signed; all it can do is not send it, in which case anybody else may.
/// @dev Warning: nonces are used up only by success. A signed action that failed can be sent again, by anybody,
/// until its deadline or until its nonce is cancelled.
/// @dev Warning: a second signer signs the same digest, and the nonce is used up for both; either can cancel it.
interface ISignedActions {
    /// @notice Emitted when one of several actions sent together was refused or failed; its nonce stays unused.
    /// @param reason The error as the function would have reverted with, cut off after 256 bytes.
    event ActionFailed(address indexed signer, uint256 indexed nonce, bytes reason);

    /// @notice Emitted when a signer made nonces unusable: those of `word * 256 + i` for each bit `i` in `mask`.
    event NoncesCancelled(address indexed signer, uint248 word, uint256 mask);

    /// @notice Thrown when the call is of no function that can be signed for, or its arguments are cut off.
    error ActionUnknown(bytes4 selector);

    /// @notice Thrown when an action is sent after the time it was signed for.
    error ActionExpired(uint256 deadline, uint256 timestamp);

    /// @notice Thrown when the nonce was used by an action that succeeded, or was cancelled.
    error NonceUsed(address signer, uint256 nonce);

    /// @notice Thrown when the signature is not the signer's signature of this action on this contract and chain.
    error SignatureInvalid(address signer, bytes32 digest);

    /// @notice Thrown when the sender leaves less gas for the call than what was signed.
    error GasBelowFloor(uint256 available, uint256 gasFloor);

    /// @notice Thrown when the call failed without saying why, as one that runs out of gas does.
    error ActionReverted();

    /// @notice Carries out a signed action, with the errors of the action itself.
    function relay(SignedAction calldata action) external;

    /// @notice Carries out several signed actions in order. One that fails, or is no action at all, changes nothing and
    /// stops no other; but see to their gas, of which a signer that is a contract may use up as much as there is.
    /// @return failures How many failed; each of them emits `ActionFailed`.
    function relayMany(SignedAction[] calldata actions) external returns (uint256 failures);

    /// @notice Makes nonces of the signer unusable: those of `word * 256 + i` for each bit `i` in `mask`. The
    /// signer can send this itself, at any time; it also ends whatever else is bound to such a nonce.
    function cancelNonces(uint248 word, uint256 mask) external;

    /// @notice The nonces `word * 256 … word * 256 + 255` of a signer, a set bit for each one used or cancelled.
    function nonceWord(address signer, uint256 word) external view returns (uint256);

    /// @notice Whether a nonce was used by an action that succeeded, or was cancelled.
    function isNonceUsed(address signer, uint256 nonce) external view returns (bool);

    /// @notice The EIP-712 digest that is signed for an action; its signatures and signer do not matter here.
    function actionDigest(SignedAction calldata action) external view returns (bytes32);

    /// @notice The EIP-712 type hash of the action that calls the function, zero if it cannot be signed for.
    function actionTypehash(bytes4 selector) external view returns (bytes32);
}
