// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Signers} from "./Signers.sol";
import {
    ACTION_CALL_DATA,
    ACTION_COSIGNATURE,
    ACTION_SIGNATURE,
    ISignedActions,
    SignedAction,
    actionAt
} from "./interfaces/ISignedActions.sol";

/// @title The base of every contract whose participants act by signature
/// @dev A relayed action is a call of this contract by itself with the signers' addresses behind the arguments, as
/// in ERC-2771 but with no forwarder to trust: only `_perform` makes such calls, after checking the signatures.
/// Contracts built on this never call themselves otherwise (`this.f()`), never call an address a participant chose
/// with data a participant chose, and ask `_signer()` where they would ask `msg.sender`.
abstract contract SignedActions is ISignedActions, Signers, EIP712 {
    /// A encoding says how EIP-712 encodes a function's arguments. If all are atomic, as the ABI does: `ATOMIC`.
    /// Otherwise the number of argument words, plus `_at(position, …)` of `BYTES` for each `bytes` or `string` and
    /// of `WORDS` for each array of atomic values.
    uint256 internal constant ATOMIC = 0;
    uint256 internal constant BYTES = 1;
    uint256 internal constant WORDS = 2;
    /// What is signed is not what the call carries: see `_encodeOwn`.
    uint256 internal constant OWN = type(uint256).max;

    uint256 private constant REASON_MAX = 256;

    /// The precompiled contract that recovers the address from a secp256k1 signature.
    uint256 private constant ECRECOVER = 1;

    /// Half the order of secp256k1: of the two signatures that verify, the one that OpenZeppelin and wallets take.
    uint256 private constant S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    bytes32 private constant CANCEL_NONCES_TYPEHASH =
        keccak256("CancelNonces(uint248 word,uint256 mask,uint256 nonce,uint256 deadline,uint256 gasFloor)");

    mapping(address signer => mapping(uint256 word => uint256)) private _nonces;

    /// Kept here as well as in `EIP712`, to be read with fewer checks.
    uint256 private immutable _CHAIN_ID;
    bytes32 private immutable _DOMAIN;

    constructor(string memory name) EIP712(name, "1") {
        _CHAIN_ID = block.chainid;
        _DOMAIN = _domainSeparatorV4();
    }

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
            SignedAction calldata action = actionAt(actions, i);
            bytes memory reason = _perform(action);

            if (reason.length != 0) {
                ++failures;
                emit ActionFailed(action.signerOf(), action.nonce, reason);
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
        return _digest(_hashAction(action, action.callData));
    }

    /// @inheritdoc ISignedActions
    function actionTypehash(bytes4 selector) external view returns (bytes32 typehash) {
        (typehash,) = _action(selector);
    }

    /// The EIP-712 type hash and the argument encoding of the action that calls `selector`; zero for any function
    /// that cannot be signed for. Overrides end with `return super._action(selector)`.
    function _action(bytes4 selector) internal view virtual returns (bytes32 typehash, uint256 encoding) {
        if (selector == this.cancelNonces.selector) return (CANCEL_NONCES_TYPEHASH, ATOMIC);
    }

    /// What is signed instead of the call's arguments, for actions whose encoding is `OWN`: EIP-712 `encodeData` up
    /// to the nonce. Empty if the arguments make no sense. Never reverts, which would stop the actions sent with it.
    function _encodeOwn(bytes4 selector, bytes calldata arguments)
        internal
        view
        virtual
        returns (bytes memory)
    {}

    /// The EIP-712 digest of a struct for this contract on this chain, which may have forked off another.
    function _digest(bytes32 structHash) internal view returns (bytes32 digest) {
        bytes32 domain = block.chainid == _CHAIN_ID ? _DOMAIN : _domainSeparatorV4();
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, hex"1901")
            mstore(add(data, 0x02), domain)
            mstore(add(data, 0x22), structHash)
            digest := keccak256(data, 0x42)
        }
    }

    /// The encoding bits that mark the argument word at `position` as of the given kind.
    function _at(uint256 position, uint256 kind) internal pure returns (uint256) {
        return kind << (8 + 2 * position);
    }

    /// Whether the signature is the signer's, by its key or, failing that, by its ERC-1271 contract.
    function _isSignature(address signer, bytes32 digest, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        if (signature.length == 65 || signature.length == 64) {
            bool valid;
            assembly ("memory-safe") {
                let data := mload(0x40)
                mstore(data, digest)
                calldatacopy(add(data, 0x40), signature.offset, 0x40)
                let s := mload(add(data, 0x60))
                switch signature.length
                case 65 { mstore(add(data, 0x20), byte(0, calldataload(add(signature.offset, 0x40)))) }
                default {
                    // ERC-2098: v is the highest bit of s.
                    mstore(add(data, 0x20), add(27, shr(255, s)))
                    s := shr(1, shl(1, s))
                    mstore(add(data, 0x60), s)
                }
                if iszero(gt(s, S_MAX)) {
                    mstore(0x00, 0)
                    pop(staticcall(gas(), ECRECOVER, data, 0x80, 0x00, 0x20))
                    let recovered := mload(0x00)
                    valid := and(gt(recovered, 0), eq(recovered, shr(96, shl(96, signer))))
                }
            }
            if (valid) return true;
        }
        return signer != address(this) && _isContractSignature(signer, digest, signature);
    }

    /// Checks and carries out one action. Returns its error instead of reverting, empty on success.
    function _perform(SignedAction calldata action) private returns (bytes memory reason) {
        address signer = action.signerOf();
        uint256 nonce = action.nonce;

        if (block.timestamp > action.deadline) {
            return abi.encodeWithSelector(ActionExpired.selector, action.deadline, block.timestamp);
        }
        bytes calldata callData = action.bytesAt(ACTION_CALL_DATA);
        bytes32 digest = _hashAction(action, callData);
        if (digest == 0) return abi.encodeWithSelector(ActionUnknown.selector, bytes4(callData));
        digest = _digest(digest);
        if (!_isSignature(signer, digest, action.bytesAt(ACTION_SIGNATURE))) {
            return abi.encodeWithSelector(SignatureInvalid.selector, signer, digest);
        }
        address cosigner;
        bytes calldata cosignature = action.bytesAt(ACTION_COSIGNATURE);
        if (cosignature.length != 0) {
            cosigner = address(bytes20(cosignature));
            if (
                cosigner == signer || cosignature.length < 20
                    || !_isSignature(cosigner, digest, cosignature[20:])
            ) return abi.encodeWithSelector(SignatureInvalid.selector, cosigner, digest);
        }

        // Used before the call, so that the action cannot be entered again from within, and freed if it fails.
        if (!_takeNonce(signer, nonce)) return abi.encodeWithSelector(NonceUsed.selector, signer, nonce);
        if (cosigner != address(0) && !_takeNonce(cosigner, nonce)) {
            reason = abi.encodeWithSelector(NonceUsed.selector, cosigner, nonce);
            cosigner = address(0);
        } else {
            reason = _callSelf(callData, signer, cosigner, action.gasFloor);
        }
        if (reason.length != 0) {
            _freeNonce(signer, nonce);
            if (cosigner != address(0)) _freeNonce(cosigner, nonce);
        }
    }

    /// Calls this contract with the signers behind the arguments. Copies no more of an error than fits a log.
    function _callSelf(bytes calldata callData, address signer, address cosigner, uint256 gasFloor)
        private
        returns (bytes memory reason)
    {
        uint256 available;
        assembly ("memory-safe") {
            available := gas()
            available := sub(available, shr(6, available))
        }
        if (available < gasFloor) {
            return abi.encodeWithSelector(GasBelowFloor.selector, available, gasFloor);
        }
        bool success;
        assembly ("memory-safe") {
            let data := mload(0x40)
            let end := add(data, callData.length)
            calldatacopy(data, callData.offset, callData.length)
            mstore(end, shl(96, signer))
            mstore(add(end, 20), shl(96, cosigner))
            success := call(gas(), address(), 0, data, add(callData.length, 40), 0, 0)
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

    /// EIP-712 `hashStruct` of the action, zero if it is none.
    function _hashAction(SignedAction calldata action, bytes calldata callData)
        private
        view
        returns (bytes32 structHash)
    {
        if (callData.length < 4) return 0;
        bytes4 selector = _first4(callData);
        (bytes32 typehash, uint256 encoding) = _action(selector);
        if (typehash == 0) return 0;

        if (encoding == ATOMIC) {
            // The arguments as they are, then nonce, deadline and gas floor, which are neighbours in calldata.
            assembly ("memory-safe") {
                let data := mload(0x40)
                let size := sub(callData.length, 4)
                mstore(data, typehash)
                calldatacopy(add(data, 0x20), add(callData.offset, 4), size)
                calldatacopy(add(add(data, 0x20), size), add(action, 0x20), 0x60)
                structHash := keccak256(data, add(size, 0x80))
            }
        } else {
            bytes memory encoded =
                encoding == OWN ? _encodeOwn(selector, callData[4:]) : _encodeData(callData[4:], encoding);
            if (encoded.length == 0) return 0;
            structHash = keccak256(
                abi.encodePacked(typehash, encoded, action.nonce, action.deadline, action.gasFloor)
            );
        }
    }

    function _first4(bytes calldata callData) private pure returns (bytes4 selector) {
        assembly ("memory-safe") {
            selector := and(calldataload(callData.offset), shl(224, 0xffffffff))
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

    function _takeNonce(address signer, uint256 nonce) private returns (bool taken) {
        mapping(uint256 word => uint256) storage nonces = _nonces[signer];
        assembly ("memory-safe") {
            mstore(0x00, shr(8, nonce))
            mstore(0x20, nonces.slot)
            let slot := keccak256(0x00, 0x40)
            let used := sload(slot)
            let bit := shl(and(nonce, 0xff), 1)
            if iszero(and(used, bit)) {
                sstore(slot, or(used, bit))
                taken := 1
            }
        }
    }

    function _freeNonce(address signer, uint256 nonce) private {
        _nonces[signer][nonce >> 8] &= ~(1 << (nonce & 0xff));
    }
}
