// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {signerOfCall} from "../Signers.sol";
import {IReceivablesEvents} from "../interfaces/IReceivablesEvents.sol";
import {Book, Late, Money, Rare} from "../types/Book.sol";
import {HOLDER_MARKED, HOLDER_WAIVES, Holder, mainHolder} from "../types/Holder.sol";
import {Status} from "../types/Receivable.sol";
import {
    STATE_DISPUTED,
    STATE_FACE_FIRST,
    STATE_IRREVOCABLE,
    STATE_LOT,
    STATE_WAS_WRITTEN_OFF,
    State
} from "../types/State.sol";
import {Accounting} from "./Accounting.sol";
import {Lifecycle} from "./Lifecycle.sol";

/// @title What goes wrong with a receivable
/// @dev `Remedies` has checked who asks.
library Adjustments {
    /// A used credit note, beside what is left of it.
    uint256 private constant NOTE_USED = 1 << 64;

    /// See `IReceivablesRemedies.issueCreditNote`.
    function issueCreditNote(Book storage book, bytes32 id, address supplier, uint64 total, bytes32 note)
        internal
    {
        _checkOwed(book, id);
        if (book.notes[id][note] != 0) revert IReceivablesEvents.CreditNoteUsed(id, note);
        uint64 unpaid = uint64(Accounting.unpaidOf(book, id));
        if (total == 0 || total > unpaid) revert IReceivablesEvents.AmountTooLarge(id, total, unpaid);
        uint64 own = Accounting.carried(book, id, book.holder(id, supplier).units());
        if (own > total) own = total;
        book.notes[id][note] = NOTE_USED | (total - own);

        emit IReceivablesEvents.CreditNoteIssued(id, note, total, own, total - own);
        if (own != 0) _reduce(book, id, supplier, note, own);
    }

    /// See `IReceivablesRemedies.joinCreditNote`.
    function joinCreditNote(Book storage book, bytes32 id, address account, bytes32 note, uint64 amount)
        internal
    {
        _checkOwed(book, id);
        uint64 left = uint64(book.notes[id][note]);
        if (amount > left) revert IReceivablesEvents.AmountTooLarge(id, amount, left);
        _checkCarried(book, id, account, amount);
        book.notes[id][note] = NOTE_USED | (left - amount);

        _reduce(book, id, account, note, amount);
    }

    /// See `IReceivablesRemedies.closeOutside`.
    function closeOutside(
        Book storage book,
        bytes32 id,
        address account,
        uint64 amount,
        bytes32 paymentReference
    ) internal {
        _checkOwed(book, id);
        _checkCarried(book, id, account, amount);
        uint64 units = _extinguish(book, id, account, amount);
        book.totals[id].closed += amount;
        book.rare[id][account].closed += amount;

        emit IReceivablesEvents.ClosedOutside(id, account, paymentReference, amount, units);
        _afterExtinction(book, id);
    }

    /// See `IReceivablesRemedies.dispute`.
    function dispute(Book storage book, bytes32 id, address supplier, uint64 amount, bytes32 reason)
        internal
        returns (bytes32 lot)
    {
        State state = book.states[id].load();
        if (state.status() != Status.Confirmed) revert IReceivablesEvents.StatusIs(id, state.status());
        if (state.flags() & STATE_IRREVOCABLE != 0) revert IReceivablesEvents.Irrevocably(id);
        if (state.flags() & STATE_LOT != 0) revert IReceivablesEvents.UnderDispute(id);
        _checkCarried(book, id, supplier, amount);

        if (amount == Accounting.unpaidOf(book, id)) {
            // All of it, and all of it the supplier's: the receivable itself becomes the lot.
            book.states[id].store(state.withFlags(state.flags() | STATE_LOT | STATE_DISPUTED));
            emit IReceivablesEvents.Disputed(id, id, amount, book.holder(id, supplier).units(), reason);
            return id;
        }
        (uint64 units, uint128 interest) = Accounting.extinguish(book, id, supplier, amount);
        _capMarked(book, id, supplier);
        Accounting.sweep(book, id, supplier);
        emit IERC1155.TransferSingle(signerOfCall(), supplier, address(0), uint256(id), units);

        state = book.states[id].load();
        uint8 number = state.lots() + 1;
        book.states[id].store(
            state.withFace(state.face() - amount).withLots(number).withOpenDisputes(state.openDisputes() + 1)
        );
        lot = keccak256(abi.encode(id, number));
        _openLot(book, id, lot, state, amount);
        book.mains[lot].storeMain(mainHolder(supplier, Holder.wrap(amount)));
        // Also if none is taken along: the lot's interest begins now, what came before was the receivable's.
        if (block.timestamp > state.dueEnd()) book.late[lot] = Late(interest, 0, uint40(block.timestamp));

        emit IReceivablesEvents.Disputed(id, lot, amount, units, reason);
        emit IERC1155.TransferSingle(signerOfCall(), address(0), supplier, uint256(lot), amount);
        _afterExtinction(book, id);
    }

    /// See `IReceivablesRemedies.endDispute`.
    function endDispute(Book storage book, bytes32 main, bytes32 id) internal {
        if (book.states[id].load().flags() & STATE_DISPUTED == 0) revert IReceivablesEvents.NotDisputed(id);
        Lifecycle.endDispute(book, id);

        emit IReceivablesEvents.DisputeEnded(main, id);
    }

    /// See `IReceivablesRemedies.waiveInterest`.
    function waiveInterest(Book storage book, bytes32 id, address account, bool waived) internal {
        _checkOwed(book, id);
        Accounting.count(book, id, account);
        Holder holder = book.holder(id, account);
        if (waived) {
            holder = holder.withFlags(holder.flags() | HOLDER_WAIVES);
            Money storage money = book.money[id][account];
            book.money[id][Accounting.DEBTOR_SHARE].interest += money.interest;
            money.interest = 0;
        } else {
            holder = holder.withFlags(holder.flags() & ~HOLDER_WAIVES);
        }
        book.setHolder(id, account, holder);

        emit IReceivablesEvents.InterestWaived(id, account, waived);
    }

    /// See `IReceivablesRemedies.writeOff`.
    function writeOff(Book storage book, bytes32 id, address account) internal {
        State state = book.states[id].load();
        if (state.status() != Status.Confirmed) revert IReceivablesEvents.StatusIs(id, state.status());
        if (!Lifecycle.isInDefault(state)) revert IReceivablesEvents.NotInDefault(id);
        Holder holder = book.holder(id, account);
        Rare storage rare = book.rare[id][account];
        uint64 units = holder.units() - rare.marked;
        if (units == 0) revert IReceivablesEvents.NotEnoughUnits(id, account, 0, 1);
        rare.marked += units;
        book.setHolder(id, account, holder.withFlags(holder.flags() | HOLDER_MARKED));
        book.marked[id] += units;

        emit IReceivablesEvents.MarkedWrittenOff(id, account, units);
        _checkAllMarked(book, id);
    }

    function _openLot(Book storage book, bytes32 id, bytes32 lot, State state, uint64 amount) private {
        uint8 flags = (state.flags() & STATE_FACE_FIRST) | STATE_LOT | STATE_DISPUTED;
        state =
            state.withStatus(Status.None).withFlags(flags).withLots(0).withOpenDisputes(0).withFace(amount);
        Lifecycle.transition(book, lot, state, Status.Issued);
        Lifecycle.transition(book, lot, book.states[lot].load(), Status.Confirmed);
        book.parents[lot] = id;
    }

    function _reduce(Book storage book, bytes32 id, address account, bytes32 note, uint64 amount) private {
        uint64 units = _extinguish(book, id, account, amount);
        book.rare[id][account].reduced += amount;

        emit IReceivablesEvents.Reduced(id, account, note, amount, units);
        _afterExtinction(book, id);
    }

    function _extinguish(Book storage book, bytes32 id, address account, uint64 amount)
        private
        returns (uint64 units)
    {
        (units,) = Accounting.extinguish(book, id, account, amount);
        _capMarked(book, id, account);
        Accounting.sweep(book, id, account);
        emit IERC1155.TransferSingle(signerOfCall(), account, address(0), uint256(id), units);
    }

    /// Units that are gone are no longer marked.
    function _capMarked(Book storage book, bytes32 id, address account) private {
        Rare storage rare = book.rare[id][account];
        uint64 units = book.holder(id, account).units();
        if (rare.marked > units) {
            book.marked[id] -= rare.marked - units;
            rare.marked = units;
        }
    }

    function _afterExtinction(Book storage book, bytes32 id) private {
        if (book.totals[id].unpaid == 0 && Accounting.interestOwed(book, id) == 0) {
            Lifecycle.settle(book, id);
            emit IReceivablesEvents.Settled(id);
        } else if (book.states[id].load().status() == Status.Confirmed) {
            _checkAllMarked(book, id);
        }
    }

    function _checkAllMarked(Book storage book, bytes32 id) private {
        uint64 marked = book.marked[id];
        (,,, uint64 units) = Accounting.sums(book, id);
        if (marked == 0 || marked != units) return;
        State state = book.states[id].load();
        state = state.withFlags(state.flags() | STATE_WAS_WRITTEN_OFF);
        Lifecycle.transition(book, id, state, Status.WrittenOff);

        emit IReceivablesEvents.WrittenOff(id);
    }

    function _checkOwed(Book storage book, bytes32 id) private view {
        State state = book.states[id].load();
        if (!Lifecycle.isOwed(state)) revert IReceivablesEvents.StatusIs(id, state.status());
    }

    function _checkCarried(Book storage book, bytes32 id, address account, uint64 amount) private view {
        uint64 limit = Accounting.carried(book, id, book.holder(id, account).units());
        if (amount == 0 || amount > limit) revert IReceivablesEvents.AmountTooLarge(id, amount, limit);
    }
}
