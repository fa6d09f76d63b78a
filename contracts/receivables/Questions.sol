// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IReceivablesExtension} from "../interfaces/IReceivablesExtension.sol";
import {Accounting} from "../libraries/Accounting.sol";
import {Lifecycle} from "../libraries/Lifecycle.sol";
import {Rare} from "../types/Book.sol";
import {HOLDER_SOLD, HOLDER_WAIVES, Holder} from "../types/Holder.sol";
import {Holding, Phase, Receivable, Status} from "../types/Receivable.sol";
import {STATE_DISPUTED, STATE_LOT, STATE_WAS_WRITTEN_OFF, State} from "../types/State.sol";
import {ACKNOWLEDGED_STATEMENT, IRREVOCABLE_STATEMENT, Terms, Undertaking} from "../types/Terms.sol";
import {Ledger} from "./Ledger.sol";

/// @title What one can ask about a receivable
abstract contract Questions is Ledger, IReceivablesExtension {
    /// @inheritdoc IReceivablesExtension
    function receivable(bytes32 id) external view returns (Receivable memory answer) {
        State state = _book.states[id].load();
        answer.status = state.status();
        answer.phase = Lifecycle.phase(state);
        answer.isLot = state.flags() & STATE_LOT != 0;
        answer.disputed = state.openDisputes() != 0 || state.flags() & STATE_DISPUTED != 0;
        answer.wasWrittenOff = state.flags() & STATE_WAS_WRITTEN_OFF != 0;
        answer.currency = state.currency();
        if (state.status() != Status.Issued) answer.confirmedAt = state.confirmedAt();
        answer.dueEnd = state.dueEnd();
        answer.graceDays = state.graceDays();
        answer.lateRate = state.lateRate();
        answer.lots = state.lots();
        answer.face = state.face();
        (answer.unpaid, answer.paid, answer.closed, answer.units) = Accounting.sums(_book, id);
        bool live = Lifecycle.isOwed(state);
        if (live || state.status() == Status.Settled) {
            answer.reduced = answer.face - answer.unpaid - answer.paid - answer.closed;
        }
        if (live) answer.interestDue = Accounting.interestOwed(_book, id);
        answer.interestPaid = _book.late[id].paid;
    }

    /// @inheritdoc IReceivablesExtension
    function holding(bytes32 id, address account) external view returns (Holding memory answer) {
        State state = _book.states[id].load();
        Holder holder = _book.holder(id, account);
        Rare memory rare = _book.rare[id][account];
        answer.units = holder.units();
        answer.marked = rare.marked;
        answer.sent = holder.sent();
        answer.reduced = rare.reduced;
        answer.closed = rare.closed;
        answer.waivesInterest = holder.flags() & HOLDER_WAIVES != 0;
        answer.sold = holder.flags() & HOLDER_SOLD != 0;
        if (Lifecycle.isOwed(state)) {
            answer.unpaid = Accounting.carried(_book, id, holder.units());
        }
        (answer.redeemable, answer.redeemableInterest) =
            Accounting.redeemable(_book, id, account, state.status() == Status.Settled);
    }

    /// @inheritdoc IReceivablesExtension
    function statusOf(bytes32 id) external view returns (Status) {
        return _book.states[id].load().status();
    }

    /// @inheritdoc IReceivablesExtension
    function phaseOf(bytes32 id) external view returns (Phase) {
        return Lifecycle.phase(_book.states[id].load());
    }

    /// @inheritdoc IReceivablesExtension
    function creditNoteLeft(bytes32 id, bytes32 note) external view returns (uint64) {
        return uint64(_book.notes[id][note]);
    }

    /// @inheritdoc IReceivablesExtension
    function interestToReturn(bytes32 id) external view returns (uint64) {
        return uint64(_book.money[id][Accounting.DEBTOR_SHARE].interest >> 64);
    }

    /// @inheritdoc IReceivablesExtension
    function idOf(Terms calldata terms) external pure returns (bytes32) {
        return terms.hash();
    }

    /// @inheritdoc IReceivablesExtension
    function statementOf(Undertaking undertaking) external pure returns (string memory) {
        return undertaking == Undertaking.Irrevocable ? IRREVOCABLE_STATEMENT : ACKNOWLEDGED_STATEMENT;
    }

    /// @inheritdoc IReceivablesExtension
    function lotId(bytes32 id, uint8 lot) external pure returns (bytes32) {
        return _partId(id, lot);
    }
}
