// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesRemedies} from "../interfaces/IReceivablesRemedies.sol";
import {Accounting} from "../libraries/Accounting.sol";
import {Adjustments} from "../libraries/Adjustments.sol";
import {SCOPE_ADJUST, SCOPE_CONFIRM, SCOPE_ISSUE} from "../types/Account.sol";
import {State} from "../types/State.sol";
import {Status} from "../types/Receivable.sol";
import {Terms} from "../types/Terms.sol";
import {Ledger} from "./Ledger.sol";

/// @title What is done when things go otherwise than planned
abstract contract Remedies is Ledger, IReceivablesRemedies {
    /// @inheritdoc IReceivablesRemedies
    function cancel(Terms calldata terms, bytes32 reason) external {
        bytes32 id = terms.hash();
        _authorise(terms.supplier, SCOPE_ISSUE, _book.states[id].load().currency(), terms.amount);
        _withdraw(terms, id, Status.Issued, Status.Cancelled);

        emit Cancelled(id, reason);
    }

    /// @inheritdoc IReceivablesRemedies
    function reject(Terms calldata terms, bytes32 reason) external {
        bytes32 id = terms.hash();
        _authorise(terms.debtor, SCOPE_CONFIRM, _book.states[id].load().currency(), terms.amount);
        _withdraw(terms, id, Status.Issued, Status.Cancelled);

        emit Rejected(id, reason);
    }

    /// @inheritdoc IReceivablesRemedies
    function issueCreditNote(Terms calldata terms, uint8 lot, uint64 total, bytes32 note) external {
        bytes32 id = _partId(terms.hash(), lot);
        _authorise(terms.supplier, SCOPE_ISSUE, _book.states[id].load().currency(), total);
        Adjustments.issueCreditNote(_book, id, terms.supplier, total, note);
    }

    /// @inheritdoc IReceivablesRemedies
    function joinCreditNote(bytes32 id, address account, bytes32 note, uint64 amount) external {
        _authorise(account, SCOPE_ADJUST, _book.states[id].load().currency(), amount);
        Adjustments.joinCreditNote(_book, id, account, note, amount);
    }

    /// @inheritdoc IReceivablesRemedies
    function closeOutside(bytes32 id, address account, uint64 amount, bytes32 paymentReference) external {
        _authorise(account, SCOPE_ADJUST, _book.states[id].load().currency(), amount);
        Adjustments.closeOutside(_book, id, account, amount, paymentReference);
    }

    /// @inheritdoc IReceivablesRemedies
    function dispute(Terms calldata terms, uint64 disputed, bytes32 reason) external returns (bytes32 lot) {
        bytes32 id = terms.hash();
        _authorise(terms.debtor, SCOPE_CONFIRM, _book.states[id].load().currency(), disputed);
        return Adjustments.dispute(_book, id, terms.supplier, disputed, reason);
    }

    /// @inheritdoc IReceivablesRemedies
    function endDispute(Terms calldata terms, uint8 lot) external {
        bytes32 id = terms.hash();
        bytes32 part = _partId(id, lot);
        State state = _book.states[part].load();
        _authorise(terms.debtor, SCOPE_CONFIRM, state.currency(), state.face());
        Adjustments.endDispute(_book, id, part);
    }

    /// @inheritdoc IReceivablesRemedies
    function waiveInterest(bytes32 id, address account, bool waived) external {
        _authorise(
            account, SCOPE_ADJUST, _book.states[id].load().currency(), _book.holder(id, account).units()
        );
        Adjustments.waiveInterest(_book, id, account, waived);
    }

    /// @inheritdoc IReceivablesRemedies
    function writeOff(bytes32 id, address account) external {
        _authorise(
            account, SCOPE_ADJUST, _book.states[id].load().currency(), _book.holder(id, account).units()
        );
        Adjustments.writeOff(_book, id, account);
    }

    /// @inheritdoc IReceivablesRemedies
    function returnInterest(Terms calldata terms, uint8 lot) external returns (uint64 interest) {
        bytes32 id = _partId(terms.hash(), lot);
        PARTICIPANTS.checkNotSuspended(terms.debtor);
        State state = _book.states[id].load();
        bool had;
        (interest, had) = Accounting.collectWaived(_book, id, state.status() == Status.Settled);
        if (!had) revert NothingDue(id);
        address payout = PARTICIPANTS.account(terms.debtor).payout;

        emit InterestReturned(id, terms.debtor, payout, interest);
        _push(_settlements[state.currency()], payout, interest);
    }
}
