// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFingerprints} from "../interfaces/IFingerprints.sol";
import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {Lifecycle} from "../libraries/Lifecycle.sol";
import {NEW_BUSINESS, SCOPE_ISSUE} from "../types/Account.sol";
import {Asked} from "../types/Asked.sol";
import {HOLDER_SOLD, Holder, mainHolder} from "../types/Holder.sol";
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
    Confirmation,
    TERMS_AMOUNT,
    TERMS_CURRENCY,
    TERMS_DEBTOR,
    TERMS_DUE_END,
    TERMS_GRACE_DAYS,
    TERMS_KEY_SET,
    TERMS_LATE_RATE,
    TERMS_PAYMENT_ORDER,
    TERMS_SUPPLIER,
    TERMS_TOKEN,
    TERMS_UNDERTAKING,
    Terms,
    Undertaking
} from "../types/Terms.sol";
import {Consent} from "./Consent.sol";
import {Slots, Takings} from "./Slots.sol";

/// @title How a receivable comes to be: issued by its supplier, confirmed by its debtor's signature
abstract contract Issuance is Consent {
    using Slots for IFingerprints;

    /// @inheritdoc IReceivablesCore
    function issue(Terms calldata terms) external returns (bytes32 id) {
        return _issue(terms, 0);
    }

    /// @inheritdoc IReceivablesCore
    function issueMany(Terms[] calldata terms) external returns (bytes32[] memory ids) {
        ids = new bytes32[](terms.length);
        Asked memory asked;
        for (uint256 i = 0; i < terms.length; ++i) {
            Terms calldata one = terms[i];
            ids[i] = _issue(one, asked.allowed(one.hashSupply()));
            asked.grow(one);
        }
    }

    /// @inheritdoc IReceivablesCore
    function confirm(Terms calldata terms, Confirmation calldata confirmation) external {
        bytes32 id = _confirm(terms, confirmation, 0);
        FINGERPRINTS.take(terms, id, confirmation);
    }

    /// @inheritdoc IReceivablesCore
    function confirmMany(Terms[] calldata terms, Confirmation[] calldata confirmations) external {
        if (terms.length != confirmations.length) revert ArgumentInvalid();
        Takings takings = Slots.reserve(terms.length);
        Asked memory asked;
        for (uint256 i = 0; i < terms.length; ++i) {
            Terms calldata one = terms[i];
            Confirmation calldata confirmation = confirmations[i];
            bytes32 id = _confirm(one, confirmation, asked.allowed(confirmation.hashConsent(one)));
            asked.grow(one);
            takings.add(FINGERPRINTS, one, id, confirmation);
        }
        takings.send(FINGERPRINTS);
    }

    /// @inheritdoc IReceivablesCore
    function issueAndConfirm(Terms calldata terms, Confirmation calldata confirmation)
        external
        returns (bytes32 id)
    {
        id = _issueAndConfirm(terms, confirmation, 0);
        FINGERPRINTS.take(terms, id, confirmation);
    }

    /// @inheritdoc IReceivablesCore
    function issueAndConfirmMany(Terms[] calldata terms, Confirmation[] calldata confirmations)
        external
        returns (bytes32[] memory ids)
    {
        if (terms.length != confirmations.length) revert ArgumentInvalid();
        ids = new bytes32[](terms.length);
        Takings takings = Slots.reserve(terms.length);
        Asked memory asked;
        for (uint256 i = 0; i < terms.length; ++i) {
            Terms calldata one = terms[i];
            Confirmation calldata confirmation = confirmations[i];
            bytes32 id = _issueAndConfirm(one, confirmation, asked.allowed(confirmation.hashClaim(one)));
            asked.grow(one);
            takings.add(FINGERPRINTS, one, id, confirmation);
            ids[i] = id;
        }
        takings.send(FINGERPRINTS);
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

        id = _issue(terms, 0);
        _withdraw(replaced, old, Status.Confirmed, Status.Replaced);
        State state = _book.states[id].load();
        address cosigner = _checkConsent(terms, id, old, state, confirmation);
        _authoriseDebtor(terms, confirmation.signerOf(), cosigner, state);
        _record(id, state, cosigner, confirmation);
        bytes32[] memory fingerprints = Slots.all(terms, confirmation);
        FINGERPRINTS.replace(terms.debtor, oldFingerprints, old, fingerprints, terms.keySet, id);

        emit Replaced(old, id);
    }

    /// @inheritdoc IReceivablesCore
    function confirmationDigest(Terms calldata terms, bytes32 replaced, uint256 nonce, uint256 deadline)
        external
        view
        returns (bytes32)
    {
        return _digest(terms.undertaking == Undertaking.Irrevocable, terms.hash(), replaced, nonce, deadline);
    }

    /// @param asked See `Asked`.
    function _issue(Terms calldata terms, uint256 asked) private returns (bytes32 id) {
        State state;
        (id, state) = _draft(terms);
        if (state.face() > asked) {
            address supplier = terms.addressAt(TERMS_SUPPLIER);
            _authorise(supplier, SCOPE_ISSUE | NEW_BUSINESS, state.currency(), state.face());
        }
        Lifecycle.transition(_book, id, state, Status.Issued);
        _mint(terms, id, state);
    }

    function _confirm(Terms calldata terms, Confirmation calldata confirmation, uint256 asked)
        private
        returns (bytes32 id)
    {
        id = terms.hash();
        State state = _book.states[id].load();
        if (state.status() != Status.Issued) revert StatusIs(id, state.status());
        address cosigner = _checkConsent(terms, id, 0, state, confirmation);
        if (state.face() > asked) _authoriseDebtor(terms, confirmation.signerOf(), cosigner, state);
        _record(id, state, cosigner, confirmation);
    }

    function _issueAndConfirm(Terms calldata terms, Confirmation calldata confirmation, uint256 asked)
        private
        returns (bytes32 id)
    {
        State state;
        (id, state) = _draft(terms);
        address cosigner = _checkConsent(terms, id, 0, state, confirmation);
        if (state.face() > asked) _authoriseBoth(terms, confirmation.signerOf(), cosigner, state);
        _mint(terms, id, state);
        _record(id, Lifecycle.next(state, Status.Issued), cosigner, confirmation);
    }

    /// What the terms say, as the state of no receivable yet: in range, in an open currency, not past due, not there before.
    function _draft(Terms calldata terms) private view returns (bytes32 id, State state) {
        terms.check();
        id = terms.hash();
        if (_book.states[id].load().status() != Status.None) revert AlreadyIssued(id);
        if (
            terms.word(TERMS_AMOUNT) == 0 || terms.word(TERMS_KEY_SET) == 0
                || terms.word(TERMS_SUPPLIER) == terms.word(TERMS_DEBTOR)
        ) revert TermsInvalid();
        if (block.timestamp > terms.word(TERMS_DUE_END)) revert PastDue(uint40(terms.word(TERMS_DUE_END)));
        uint32 currency = SettlementWord.idOf(terms.addressAt(TERMS_TOKEN));
        Settlement settlement = _settlements[currency];
        _checkCurrency(terms, settlement);
        state = _stateOf(terms, currency, uint256(settlement.maxTenorDays()) * 1 days);
    }

    function _stateOf(Terms calldata terms, uint256 currency, uint256 tenor) private pure returns (State) {
        uint256 dueEnd = terms.word(TERMS_DUE_END);
        return StateWord.create(
            (terms.word(TERMS_PAYMENT_ORDER) * STATE_FACE_FIRST)
                | (terms.word(TERMS_UNDERTAKING) * STATE_IRREVOCABLE),
            currency,
            terms.word(TERMS_GRACE_DAYS),
            terms.word(TERMS_LATE_RATE),
            dueEnd > tenor ? dueEnd - tenor : 0,
            dueEnd,
            terms.word(TERMS_AMOUNT)
        );
    }

    /// Gives the units of a new receivable to its supplier.
    function _mint(Terms calldata terms, bytes32 id, State state) private {
        address supplier = terms.addressAt(TERMS_SUPPLIER);
        _book.mains[id].storeMain(mainHolder(supplier, Holder.wrap(state.face())));

        terms.emitIssued(id);
        _emitTransfer(_signer(), address(0), supplier, id, state.face());
    }

    /// Writes down that the debtor confirmed.
    function _record(bytes32 id, State state, address cosigner, Confirmation calldata confirmation) private {
        Lifecycle.transition(_book, id, state.withConfirmedAt(uint40(block.timestamp)), Status.Confirmed);
        confirmation.emitConfirmed(id, cosigner);
    }

    function _checkCurrency(Terms calldata terms, Settlement settlement) private pure {
        address token = terms.addressAt(TERMS_TOKEN);
        bytes3 code = bytes3(bytes32(terms.word(TERMS_CURRENCY)));
        if (settlement.closed() & CLOSED_BY_PAUSE != 0) revert NewBusinessPaused();
        if (settlement.closed() != 0 || settlement.token() != token || settlement.code() != code) {
            revert CurrencyNotOpen(token, code);
        }
    }

    function _checkReplaceable(Terms calldata terms, bytes32 id) private view {
        State state = _book.states[id].load();
        if (state.status() != Status.Confirmed) revert StatusIs(id, state.status());
        Holder holder = _book.holder(id, terms.supplier);
        if (
            holder.units() != state.face() || holder.flags() & HOLDER_SOLD != 0 || state.lots() != 0
                || state.flags() & (STATE_ACCOUNTED | STATE_LOT) != 0
        ) revert NotReplaceable(id);
    }
}
