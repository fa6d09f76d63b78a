// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SignedActions} from "../SignedActions.sol";
import {IParticipants} from "../interfaces/IParticipants.sol";
import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {NEW_BUSINESS, SCOPE_CONFIRM} from "../types/Account.sol";
import {State} from "../types/State.sol";
import {
    ACKNOWLEDGED_STATEMENT_HASH,
    CONFIRMATION_COSIGNATURE,
    CONFIRMATION_SIGNATURE,
    CONFIRMATION_TYPEHASH,
    Confirmation,
    IRREVOCABLE_STATEMENT_HASH,
    REPLACEMENT_TYPEHASH,
    TERMS_DEBTOR,
    TERMS_OTHER_FINGERPRINTS,
    TERMS_UNDERTAKING,
    Terms
} from "../types/Terms.sol";
import {Ledger} from "./Ledger.sol";

/// @title Whether the debtor consents, and whoever signed for it may
abstract contract Consent is Ledger, IReceivablesCore, SignedActions {
    /// Checks that the debtor signed these terms and that it is time.
    function _checkConsent(
        Terms calldata terms,
        bytes32 id,
        bytes32 replaced,
        State state,
        Confirmation calldata confirmation
    ) internal view returns (address cosigner) {
        if (block.timestamp > confirmation.deadline) {
            revert ConfirmationExpired(confirmation.deadline);
        }
        if (block.timestamp > state.dueEnd()) revert PastDue(state.dueEnd());
        if (block.timestamp < state.confirmedAt()) {
            uint256 tenor = state.dueEnd() - state.confirmedAt();
            revert TenorTooLong(state.dueEnd(), uint40(block.timestamp + tenor));
        }
        bytes32 others = bytes32(terms.word(TERMS_OTHER_FINGERPRINTS));
        if (others == 0
                ? confirmation.otherCount() != 0
                : others != _hashOthers(confirmation.otherFingerprints)) {
            revert OtherFingerprintsMismatch();
        }
        bytes32 digest = _digest(
            terms.word(TERMS_UNDERTAKING) != 0, id, replaced, confirmation.nonce, confirmation.deadline
        );
        return _checkSigned(digest, confirmation);
    }

    function _authoriseDebtor(Terms calldata terms, address signer, address cosigner, State state)
        internal
        view
    {
        uint16 scope = SCOPE_CONFIRM | NEW_BUSINESS;
        _authoriseFor(terms.addressAt(TERMS_DEBTOR), signer, cosigner, scope, state.currency(), state.face());
    }

    /// `IParticipants.authoriseClaim`, for the supplier, who calls or signed what is relayed, and for the debtor.
    function _authoriseBoth(Terms calldata terms, address signer, address cosigner, State state)
        internal
        view
    {
        IParticipants participants = PARTICIPANTS;
        bytes32 selector = IParticipants.authoriseClaim.selector;
        (address issuer, address issuersCosigner) = (_signer(), _cosigner());
        (uint256 currency, uint256 amount) = (state.currency(), state.face());
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), calldataload(terms)) // supplier
            mstore(add(data, 0x24), shr(96, shl(96, issuer)))
            mstore(add(data, 0x44), shr(96, shl(96, issuersCosigner)))
            mstore(add(data, 0x64), calldataload(add(terms, 0x20))) // debtor
            mstore(add(data, 0x84), shr(96, shl(96, signer)))
            mstore(add(data, 0xa4), shr(96, shl(96, cosigner)))
            mstore(add(data, 0xc4), currency)
            mstore(add(data, 0xe4), amount)
            mstore(add(data, 0x104), 0)
            if iszero(staticcall(gas(), participants, data, 0x124, 0x00, 0x00)) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
        }
    }

    /// EIP-712 digest of `Confirmation`, or of `Replacement` where `replaced` is not zero.
    function _digest(bool irrevocable, bytes32 id, bytes32 replaced, uint256 nonce, uint256 deadline)
        internal
        view
        returns (bytes32)
    {
        bytes32 statement = irrevocable ? IRREVOCABLE_STATEMENT_HASH : ACKNOWLEDGED_STATEMENT_HASH;
        if (replaced != 0) {
            return
                _digest(keccak256(abi.encode(REPLACEMENT_TYPEHASH, statement, replaced, id, nonce, deadline)));
        }
        bytes32 structHash;
        bytes32 typehash = CONFIRMATION_TYPEHASH;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, typehash)
            mstore(add(data, 0x20), statement)
            mstore(add(data, 0x40), id)
            mstore(add(data, 0x60), nonce)
            mstore(add(data, 0x80), deadline)
            structHash := keccak256(data, 0xa0)
        }
        return _digest(structHash);
    }

    function _hashOthers(bytes32[] calldata fingerprints) internal pure returns (bytes32) {
        return fingerprints.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(fingerprints));
    }

    /// Checks that the signer, or both signers, signed. Terms can be confirmed only once, so the nonce is not used up: it
    /// is there to be cancelled.
    function _checkSigned(bytes32 digest, Confirmation calldata confirmation)
        private
        view
        returns (address cosigner)
    {
        address signer = confirmation.signerOf();
        if (isNonceUsed(signer, confirmation.nonce)) revert NonceUsed(signer, confirmation.nonce);
        if (!_isSignature(signer, digest, confirmation.bytesAt(CONFIRMATION_SIGNATURE))) {
            revert SignatureInvalid(signer, digest);
        }
        bytes calldata cosignature = confirmation.bytesAt(CONFIRMATION_COSIGNATURE);
        if (cosignature.length == 0) return address(0);

        cosigner = address(bytes20(cosignature));
        if (isNonceUsed(cosigner, confirmation.nonce)) revert NonceUsed(cosigner, confirmation.nonce);
        if (
            cosigner == signer || cosignature.length < 20 || !_isSignature(cosigner, digest, cosignature[20:])
        ) {
            revert SignatureInvalid(cosigner, digest);
        }
    }
}
