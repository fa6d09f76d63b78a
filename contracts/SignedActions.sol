// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ISignedActions, SignedAction} from "./interfaces/ISignedActions.sol";

/// @title The base of every contract whose participants act by signature
/// @dev A relayed action is a call of this contract by itself with the signers' addresses behind the arguments, as
/// in ERC-2771 but with no forwarder to trust: only `_perform` makes such calls, after checking the signatures.
/// Contracts built on this never call themselves otherwise (`this.f()`), never call an address a participant chose
/// with data a participant chose, and ask `_signer()` where they would ask `msg.sender`.
abstract contract SignedActions is EIP712, ISignedActions {
    /// A encoding says how EIP-712 encodes a function's arguments. If all are atomic, as the ABI does: `ATOMIC`.
    /// Otherwise the number of argument words, plus `_at(position, …)` of `BYTES` for each `bytes` or `string` and
    /// of `WORDS` for each array of atomic values.
    uint256 internal constant ATOMIC = 0;
    uint256 internal constant BYTES = 1;
    uint256 internal constant WORDS = 2;

    uint256 private constant REASON_MAX = 256;

    bytes32 private constant CANCEL_NONCES_TYPEHASH =
        keccak256("CancelNonces(uint248 word,uint256 mask,uint256 nonce,uint256 deadline,uint256 gasFloor)");

    mapping(address signer => mapping(uint256 word => uint256)) private _nonces;

    constructor(string memory name) EIP712(name, "1") {}

    /// @inheritdoc ISignedActions
    function relay(SignedAction calldata action) external {
        bytes memory reason = _perform(action);

        if (reason.length != 0) {
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }

    /// @inheritdoc ISignedActions
    function relayMany(SignedAction[] calldata actions) external returns (uint256 failures) {
        for (uint256 i = 0; i < actions.length; ++i) {
            bytes memory reason = _perform(actions[i]);

            if (reason.length != 0) {
                ++failures;
                emit ActionFailed(actions[i].signer, actions[i].nonce, reason);
            }
        }
    }

    /// @inheritdoc ISignedActions
    function cancelNonces(uint248 word, uint256 mask) external {
        address signer = _signer();
        _nonces[signer][word] |= mask;

        emit NoncesCancelled(signer, word, mask);
    }

    /// @inheritdoc ISignedActions
    function nonceWord(address signer, uint256 word) external view returns (uint256) {
        return _nonces[signer][word];
    }

    /// @inheritdoc ISignedActions
    function isNonceUsed(address signer, uint256 nonce) public view returns (bool) {
        return _nonces[signer][nonce >> 8] >> (nonce & 0xff) & 1 != 0;
    }

    /// @inheritdoc ISignedActions
    function actionDigest(SignedAction calldata action) external view returns (bytes32) {
        return _hashTypedDataV4(_actionHash(action));
    }

    /// @inheritdoc ISignedActions
    function actionTypehash(bytes4 selector) external view returns (bytes32 typehash) {
        (typehash,) = _action(selector);
    }

    /// The signer of the current call: who called, or who signed what is being relayed.
    function _signer() internal view returns (address) {
        return msg.sender == address(this) ? address(bytes20(msg.data[msg.data.length - 40:])) : msg.sender;
    }

    /// The second signer of the relayed action, zero where there is none.
    function _cosigner() internal view returns (address) {
        return msg.sender == address(this) ? address(bytes20(msg.data[msg.data.length - 20:])) : address(0);
    }

    /// The EIP-712 type hash and the argument encoding of the action that calls `selector`; zero for any function
    /// that cannot be signed for. Overrides end with `return super._action(selector)`.
    function _action(bytes4 selector) internal view virtual returns (bytes32 typehash, uint256 encoding) {
        if (selector == this.cancelNonces.selector) return (CANCEL_NONCES_TYPEHASH, ATOMIC);
    }

    /// EIP-712 `hashStruct` of the action, zero if it is none. Overridden where what is signed differs from the
    /// call's arguments. Never reverts: an action that makes no sense must not stop those sent with it.
    function _actionHash(SignedAction calldata action) internal view virtual returns (bytes32) {
        if (action.callData.length < 4) return 0;
        (bytes32 typehash, uint256 encoding) = _action(bytes4(action.callData));
        if (typehash == 0) return 0;

        bytes calldata arguments = action.callData[4:];
        if (encoding == ATOMIC) {
            return
                keccak256(
                    abi.encodePacked(typehash, arguments, action.nonce, action.deadline, action.gasFloor)
                );
        }
        bytes memory encoded = _encodeData(arguments, encoding);
        if (encoded.length == 0) return 0;
        return keccak256(abi.encodePacked(typehash, encoded, action.nonce, action.deadline, action.gasFloor));
    }

    /// The encoding bits that mark the argument word at `position` as of the given kind.
    function _at(uint256 position, uint256 kind) internal pure returns (uint256) {
        return kind << (8 + 2 * position);
    }

    /// Uses up a nonce outside a relayed action, of something else that a signer bound to it.
    function _useNonce(address signer, uint256 nonce) internal {
        if (isNonceUsed(signer, nonce)) revert NonceUsed(signer, nonce);
        _flipNonce(signer, nonce);
    }

    /// Whether the signature is the signer's, by its key or, failing that, by its ERC-1271 contract.
    function _isSignature(address signer, bytes32 digest, bytes memory signature)
        internal
        view
        returns (bool)
    {
        (address recovered, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature);
        if (problem == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return signer != address(this) && _isContractSignature(signer, digest, signature);
    }

    /// Checks and carries out one action. Returns its error instead of reverting, empty on success.
    function _perform(SignedAction calldata action) private returns (bytes memory reason) {
        address signer = action.signer;
        uint256 nonce = action.nonce;

        if (block.timestamp > action.deadline) {
            return abi.encodeWithSelector(ActionExpired.selector, action.deadline, block.timestamp);
        }
        bytes32 structHash = _actionHash(action);
        if (structHash == 0) return abi.encodeWithSelector(ActionUnknown.selector, bytes4(action.callData));
        bytes32 digest = _hashTypedDataV4(structHash);
        if (isNonceUsed(signer, nonce)) return abi.encodeWithSelector(NonceUsed.selector, signer, nonce);
        if (!_isSignature(signer, digest, action.signature)) {
            return abi.encodeWithSelector(SignatureInvalid.selector, signer, digest);
        }
        address cosigner;
        if (action.cosignature.length != 0) {
            cosigner = address(bytes20(action.cosignature));
            if (isNonceUsed(cosigner, nonce)) {
                return abi.encodeWithSelector(NonceUsed.selector, cosigner, nonce);
            }
            if (
                cosigner == signer || action.cosignature.length < 20
                    || !_isSignature(cosigner, digest, action.cosignature[20:])
            ) return abi.encodeWithSelector(SignatureInvalid.selector, cosigner, digest);
        }

        // Used before the call, so that the action cannot be entered again from within, and freed if it fails.
        _flipNonce(signer, nonce);
        if (cosigner != address(0)) _flipNonce(cosigner, nonce);
        bool success;
        (success, reason) = _callSelf(abi.encodePacked(action.callData, signer, cosigner), action.gasFloor);
        if (!success) {
            _flipNonce(signer, nonce);
            if (cosigner != address(0)) _flipNonce(cosigner, nonce);
        }
    }

    /// Calls this contract. Copies no more of an error than fits a log, whoever's contract it comes from.
    function _callSelf(bytes memory data, uint256 gasFloor)
        private
        returns (bool success, bytes memory reason)
    {
        uint256 available = gasleft() - gasleft() / 64;
        if (available < gasFloor) {
            return (false, abi.encodeWithSelector(GasBelowFloor.selector, available, gasFloor));
        }
        assembly ("memory-safe") {
            success := call(gas(), address(), 0, add(data, 0x20), mload(data), 0, 0)
        }
        if (!success) {
            assembly ("memory-safe") {
                let size := returndatasize()
                if gt(size, REASON_MAX) { size := REASON_MAX }
                reason := mload(0x40)
                mstore(reason, size)
                returndatacopy(add(reason, 0x20), 0, size)
                mstore(0x40, add(add(reason, 0x20), REASON_MAX))
            }
            // Out of gas and `revert()` leave nothing; the empty reason stands for success.
            if (reason.length == 0) reason = abi.encodeWithSelector(ActionReverted.selector);
        }
    }

    /// EIP-712 `encodeData` of ABI-encoded arguments: each dynamic one gives way to the hash of its contents, which
    /// are read where the called function will read them. Empty if it points out of the call.
    function _encodeData(bytes calldata arguments, uint256 encoding)
        private
        pure
        returns (bytes memory encoded)
    {
        uint256 words = encoding & 0xff;
        if (arguments.length < words * 32) return encoded;
        encoded = arguments[:words * 32];
        for (uint256 i = 0; i < words; ++i) {
            uint256 kind = encoding >> (8 + 2 * i) & 3;
            if (kind == ATOMIC) continue;

            uint256 offset = uint256(bytes32(arguments[i * 32:]));
            if (offset > arguments.length - 32) return "";
            uint256 length = uint256(bytes32(arguments[offset:]));
            if (length > arguments.length) return "";
            if (kind == WORDS) length *= 32;
            if (offset + 32 + length > arguments.length) return "";
            bytes32 contents = keccak256(arguments[offset + 32:offset + 32 + length]);
            assembly ("memory-safe") {
                mstore(add(add(encoded, 0x20), mul(i, 0x20)), contents)
            }
        }
    }

    /// ERC-1271, with no more than one word copied of whatever the contract answers.
    function _isContractSignature(address signer, bytes32 digest, bytes memory signature)
        private
        view
        returns (bool valid)
    {
        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        bytes32 expected = bytes32(IERC1271.isValidSignature.selector);
        assembly ("memory-safe") {
            mstore(0x00, 0)
            valid := staticcall(gas(), signer, add(question, 0x20), mload(question), 0x00, 0x20)
            valid := and(and(valid, gt(returndatasize(), 0x1f)), eq(mload(0x00), expected))
        }
    }

    function _flipNonce(address signer, uint256 nonce) private {
        _nonces[signer][nonce >> 8] ^= 1 << (nonce & 0xff);
    }
}
