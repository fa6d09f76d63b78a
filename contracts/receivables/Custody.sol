// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IReceivablesExtension} from "../interfaces/IReceivablesExtension.sol";
import {Accounting} from "../libraries/Accounting.sol";
import {SCOPE_TRANSFER} from "../types/Account.sol";
import {Money} from "../types/Book.sol";
import {HOLDER_LOCK, HOLDER_SOLD, Holder} from "../types/Holder.sol";
import {OperatorState, Parcel} from "../types/Receivable.sol";
import {Settlement} from "../types/Settlement.sol";
import {State} from "../types/State.sol";
import {Units} from "./Units.sol";

/// @title Units that wait for a sale to be done, that come back after one, and consent to receive some
abstract contract Custody is Units, IReceivablesExtension {
    modifier onlyOperator() {
        if (_operators[msg.sender] == OperatorState.None) revert NotOperator(msg.sender);
        _;
    }

    /// @inheritdoc IReceivablesExtension
    function allowReceipt(bytes32 id, address account, uint64 units) external {
        _authorise(account, SCOPE_TRANSFER, _book.states[id].load().currency(), units);
        _book.receipts[id][account] = units;

        emit ReceiptAllowed(id, account, units);
    }

    /// @inheritdoc IReceivablesExtension
    function sendBack(bytes32 id, address from, address to, uint64 units) external onlyOperator {
        PARTICIPANTS.checkNotSuspended(from);
        PARTICIPANTS.checkNotSuspended(to);
        State state = _book.states[id].load();
        _checkTransferable(id, state);
        _move(id, state.isAccounted(), from, to, units, 0, 0);
        // Recourse on one sale takes nothing from that on another.
        _uncount(id, from, units);

        emit IERC1155.TransferSingle(msg.sender, from, to, uint256(id), units);
    }

    /// @inheritdoc IReceivablesExtension
    function lock(Parcel calldata parcel, address from, address lockAccount, bool acceptDispute)
        external
        onlyActiveOperator
        returns (Settlement currency)
    {
        bytes32 id = parcel.id;
        PARTICIPANTS.checkNotSuspended(from);
        Holder holder = _book.holder(id, lockAccount);
        if (holder.units() != 0 || PARTICIPANTS.account(lockAccount).payout != address(0)) {
            revert NotALock(lockAccount);
        }
        State state = _checkParcel(id, parcel.units, parcel.minUnpaid, acceptDispute);
        currency = _settlements[state.currency()];
        _give(id, state, from, lockAccount, parcel.units, currency, HOLDER_LOCK);

        emit Locked(id, from, lockAccount, parcel.units);
        emit IERC1155.TransferSingle(msg.sender, from, lockAccount, uint256(id), parcel.units);
    }

    /// @inheritdoc IReceivablesExtension
    function unlock(bytes32 id, address lockAccount, address to, bool sold)
        external
        onlyOperator
        returns (uint64 sent)
    {
        if (sold) PARTICIPANTS.checkNotSuspended(to);
        Holder holder = _book.holder(id, lockAccount);
        if (holder.flags() & HOLDER_LOCK == 0) revert NotALock(lockAccount);
        bool accounted = _book.states[id].load().isAccounted();
        if (accounted) {
            // What was paid on the units goes with them, to the fraction, before they leave nothing but a fraction to sweep.
            Accounting.count(_book, id, lockAccount);
            Money memory money = _book.money[id][lockAccount];
            delete _book.money[id][lockAccount];
            _book.money[id][to].face += money.face;
            _book.money[id][to].interest += money.interest;
        }
        sent = _move(id, accounted, lockAccount, to, holder.units(), 0, sold ? HOLDER_SOLD : 0);
        // Counted when they were locked, if they had been bought.
        if (!sold && holder.flags() & HOLDER_SOLD != 0) _uncount(id, to, holder.units());
        _book.setHolder(id, lockAccount, Holder.wrap(0));

        emit Unlocked(id, lockAccount, to, holder.units());
        emit IERC1155.TransferSingle(msg.sender, lockAccount, to, uint256(id), holder.units());
    }

    /// @inheritdoc IReceivablesExtension
    function freeUnits(bytes32 id, address account) external view returns (uint64) {
        return _free(id, account, _book.holder(id, account));
    }

    /// @inheritdoc IReceivablesExtension
    function heldSince(bytes32 id, address account, uint64 units, uint64 sentAtSale)
        external
        view
        returns (uint64)
    {
        Holder holder = _book.holder(id, account);
        // The count falls below what it was while units were locked that came back.
        uint64 gone = holder.sent() > sentAtSale ? holder.sent() - sentAtSale : 0;
        // At its largest value the count has stopped, and no longer says how many.
        if (holder.sent() == type(uint64).max || gone >= units) return 0;
        uint64 kept = units - gone;
        return kept < holder.units() ? kept : holder.units();
    }

    /// @inheritdoc IReceivablesExtension
    function receiptAllowed(bytes32 id, address account) external view returns (uint64) {
        return _book.receipts[id][account];
    }

    /// Takes units off the count of those an account sent away, unless it has stopped.
    function _uncount(bytes32 id, address account, uint64 units) private {
        Holder holder = _book.holder(id, account);
        uint64 sent = holder.sent();
        if (sent == type(uint64).max) return;
        _book.setHolder(id, account, holder.withSent(sent > units ? sent - units : 0));
    }
}
