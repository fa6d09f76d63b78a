// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {NEW_BUSINESS, SCOPE_ISSUE, SCOPE_CONFIRM} from "../types/Account.sol";
import {HOLDER_SOLD, Holder} from "../types/Holder.sol";
import {SignedActions} from "../SignedActions.sol";
import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {Status} from "../types/Receivable.sol";
import {CLOSED_BY_PAUSE, Settlement, SettlementWord} from "../types/Settlement.sol";
import {
    STATE_ACCOUNTED,
    STATE_FACE_FIRST,
    STATE_IRREVOCABLE,
    STATE_LOT,
    State,
    StateWord
} from "../types/State.sol";
import {
    ACKNOWLEDGED_STATEMENT_HASH,
    CONFIRMATION_TYPEHASH,
    Confirmation,
    IRREVOCABLE_STATEMENT_HASH,
    PaymentOrder,
    REPLACEMENT_TYPEHASH,
    Terms,
    Undertaking
} from "../types/Terms.sol";
import {Ledger} from "./Ledger.sol";

/// @title How a receivable comes to be: issued by its supplier, confirmed by its debtor's signature
abstract contract Issuance is Ledger, IReceivablesCore, SignedActions {
    /// @inheritdoc IReceivablesCore
    function issue(Terms calldata terms) external returns (bytes32 id) {
        return _issue(terms);
    }

    /// @inheritdoc IReceivablesCore
    function issueMany(Terms[] calldata terms) external returns (bytes32[] memory ids) {
        ids = new bytes32[](terms.length);
        for (uint256 i = 0; i < terms.length; ++i) {
            ids[i] = _issue(terms[i]);
        }
    }

    /// @inheritdoc IReceivablesCore
    function confirm(Terms calldata terms, Confirmation calldata confirmation) external {
        _confirm(terms, terms.hash(), confirmation);
    }

    /// @inheritdoc IReceivablesCore
    function confirmMany(Terms[] calldata terms, Confirmation[] calldata confirmations) external {
        if (terms.length != confirmations.length) revert ArgumentInvalid();
        for (uint256 i = 0; i < terms.length; ++i) {
            _confirm(terms[i], terms[i].hash(), confirmations[i]);
        }
    }

    /// @inheritdoc IReceivablesCore
    function issueAndConfirm(Terms calldata terms, Confirmation calldata confirmation)
        external
        returns (bytes32 id)
    {
        id = _issue(terms);
        _confirm(terms, id, confirmation);
    }

    /// @inheritdoc IReceivablesCore
    function issueAndConfirmMany(Terms[] calldata terms, Confirmation[] calldata confirmations)
        external
        returns (bytes32[] memory ids)
    {
        if (terms.length != confirmations.length) revert ArgumentInvalid();
        ids = new bytes32[](terms.length);
        for (uint256 i = 0; i < terms.length; ++i) {
            ids[i] = _issue(terms[i]);
            _confirm(terms[i], ids[i], confirmations[i]);
        }
    }

    /// @inheritdoc IReceivablesCore
    function replace(
        Terms calldata replaced,
        Terms calldata terms,
        bytes32[] calldata oldFingerprints,
        Confirmation calldata confirmation
    ) external returns (bytes32 id) {
        bytes32 old = replaced.hash();
        _checkReplaceable(replaced, old);
        if (terms.supplier != replaced.supplier || terms.debtor != replaced.debtor) revert PartiesDiffer();
        if (
            oldFingerprints.length == 0 || oldFingerprints[0] != replaced.fingerprint
                || _hashOthers(oldFingerprints[1:]) != replaced.otherFingerprints
        ) revert OtherFingerprintsMismatch();

        id = _issue(terms);
        _withdraw(replaced, old, Status.Confirmed, Status.Replaced);
        _checkConsent(terms, id, old, confirmation);
        bytes32[] memory fingerprints = _fingerprints(terms, confirmation);
        FINGERPRINTS.replace(terms.debtor, oldFingerprints, old, fingerprints, terms.keySet, id);

        emit Replaced(old, id);
    }

    /// @inheritdoc IReceivablesCore
    function confirmationDigest(Terms calldata terms, bytes32 replaced, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32)
    {
        return _digest(terms.undertaking, terms.hash(), replaced, nonce, deadline);
    }

    function _issue(Terms calldata terms) private returns (bytes32 id) {
        id = terms.hash();
        address supplier = terms.supplier;
        uint64 amount = terms.amount;
        if (amount == 0 || supplier == terms.debtor || terms.keySet == 0) revert TermsInvalid();
        if (block.timestamp > terms.dueEnd) revert PastDue(terms.dueEnd);
        uint32 currency = SettlementWord.idOf(terms.token);
        _checkCurrency(terms, _settlements[currency]);
        _authorise(supplier, SCOPE_ISSUE | NEW_BUSINESS, currency, amount);

        if (_book.states[id].load().status() != Status.None) revert AlreadyIssued(id);
        uint8 flags = terms.paymentOrder == PaymentOrder.FaceFirst ? STATE_FACE_FIRST : 0;
        if (terms.undertaking == Undertaking.Irrevocable) flags |= STATE_IRREVOCABLE;
        State state = StateWord.create(flags, currency, terms.graceDays, terms.lateRate, terms.dueEnd, amount);
        _transition(id, state, Status.None, Status.Issued);
        _book.holders[id][supplier].store(Holder.wrap(amount));

        terms.emitIssued(id);
        emit TransferSingle(_signer(), address(0), supplier, uint256(id), amount);
    }

    function _confirm(Terms calldata terms, bytes32 id, Confirmation calldata confirmation) private {
        _checkConsent(terms, id, 0, confirmation);
        if (confirmation.otherFingerprints.length == 0) {
            FINGERPRINTS.take(terms.debtor, terms.fingerprint, terms.keySet, id);
        } else {
            FINGERPRINTS.takeAll(terms.debtor, _fingerprints(terms, confirmation), terms.keySet, id);
        }
    }

    /// Checks the debtor's signature of these terms and records it.
    function _checkConsent(
        Terms calldata terms,
        bytes32 id,
        bytes32 replaced,
        Confirmation calldata confirmation
    ) private {
        State state = _book.states[id].load();
        if (state.status() != Status.Issued) revert StatusIs(id, state.status());
        _checkTime(state, confirmation.deadline);
        if (_hashOthers(confirmation.otherFingerprints) != terms.otherFingerprints) {
            revert OtherFingerprintsMismatch();
        }
        address cosigner = _checkSigned(
            _digest(terms.undertaking, id, replaced, confirmation.nonce, confirmation.deadline), confirmation
        );
        _authoriseFor(
            terms.debtor,
            confirmation.signer,
            cosigner,
            SCOPE_CONFIRM | NEW_BUSINESS,
            state.currency(),
            state.face()
        );

        _transition(id, state.withConfirmedAt(uint40(block.timestamp)), Status.Issued, Status.Confirmed);
        emit Confirmed(
            id, terms.debtor, confirmation.signer, cosigner, confirmation.nonce, confirmation.deadline
        );
    }

    function _checkCurrency(Terms calldata terms, Settlement settlement) private pure {
        if (settlement.token() != terms.token || settlement.code() != terms.currency) {
            revert CurrencyNotOpen(terms.token, terms.currency);
        }
        if (settlement.closed() == 0) return;
        if (settlement.closed() & CLOSED_BY_PAUSE != 0) revert NewBusinessPaused();
        revert CurrencyNotOpen(terms.token, terms.currency);
    }

    /// Neither the signature nor the due date has passed, the tenor is not too long, and new business is not paused.
    function _checkTime(State state, uint256 deadline) private view {
        if (block.timestamp > deadline) revert ConfirmationExpired(deadline);
        if (block.timestamp > state.dueEnd()) revert PastDue(state.dueEnd());
        Settlement settlement = _settlements[state.currency()];
        uint256 latest = block.timestamp + settlement.maxTenorDays() * 1 days;
        if (state.dueEnd() > latest) revert TenorTooLong(state.dueEnd(), uint40(latest));
        if (settlement.closed() & CLOSED_BY_PAUSE != 0) revert NewBusinessPaused();
    }

    /// Checks that the signer, or both signers, signed. Terms can be confirmed only once, so the nonce is not used up: it
    /// is there to be cancelled.
    function _checkSigned(bytes32 digest, Confirmation calldata confirmation)
        private
        view
        returns (address cosigner)
    {
        address signer = confirmation.signer;
        if (isNonceUsed(signer, confirmation.nonce)) revert NonceUsed(signer, confirmation.nonce);
        if (!_isSignature(signer, digest, confirmation.signature)) revert SignatureInvalid(signer, digest);
        bytes calldata cosignature = confirmation.cosignature;
        if (cosignature.length == 0) return address(0);

        cosigner = address(bytes20(cosignature));
        if (isNonceUsed(cosigner, confirmation.nonce)) revert NonceUsed(cosigner, confirmation.nonce);
        if (
            cosigner == signer || cosignature.length < 20 || !_isSignature(cosigner, digest, cosignature[20:])
        ) {
            revert SignatureInvalid(cosigner, digest);
        }
    }

    function _checkReplaceable(Terms calldata terms, bytes32 id) private view {
        State state = _book.states[id].load();
        if (state.status() != Status.Confirmed) revert StatusIs(id, state.status());
        Holder holder = _book.holders[id][terms.supplier].load();
        if (
            holder.units() != state.face() || holder.flags() & HOLDER_SOLD != 0 || state.lots() != 0
                || state.flags() & (STATE_ACCOUNTED | STATE_LOT) != 0
        ) revert NotReplaceable(id);
    }

    function _digest(Undertaking undertaking, bytes32 id, bytes32 replaced, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes32)
    {
        bytes32 statement =
            undertaking == Undertaking.Irrevocable ? IRREVOCABLE_STATEMENT_HASH : ACKNOWLEDGED_STATEMENT_HASH;
        return _hashTypedDataV4(
            replaced == 0
                ? keccak256(abi.encode(CONFIRMATION_TYPEHASH, statement, id, nonce, deadline))
                : keccak256(abi.encode(REPLACEMENT_TYPEHASH, statement, replaced, id, nonce, deadline))
        );
    }

    function _fingerprints(Terms calldata terms, Confirmation calldata confirmation)
        private
        pure
        returns (bytes32[] memory all)
    {
        uint256 count = confirmation.otherFingerprints.length;
        all = new bytes32[](count + 1);
        all[0] = terms.fingerprint;
        for (uint256 i = 0; i < count; ++i) {
            all[i + 1] = confirmation.otherFingerprints[i];
        }
    }

    function _hashOthers(bytes32[] calldata fingerprints) private pure returns (bytes32) {
        return fingerprints.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(fingerprints));
    }
}
