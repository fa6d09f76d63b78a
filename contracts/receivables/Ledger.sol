// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Signers} from "../Signers.sol";
import {IFingerprints} from "../interfaces/IFingerprints.sol";
import {IParticipants} from "../interfaces/IParticipants.sol";
import {IReceivablesEvents} from "../interfaces/IReceivablesEvents.sol";
import {Cash} from "../libraries/Cash.sol";
import {Lifecycle} from "../libraries/Lifecycle.sol";
import {Book} from "../types/Book.sol";
import {Settlement} from "../types/Settlement.sol";
import {Holder} from "../types/Holder.sol";
import {OperatorState, Status} from "../types/Receivable.sol";
import {State} from "../types/State.sol";
import {Terms} from "../types/Terms.sol";

/// @title What all of Receivables stands on: the book, its settings, and the way money goes in and out
/// @dev First among the bases of `Receivables` and of its extensions, so that all see the same storage.
abstract contract Ledger is IReceivablesEvents, AccessManaged, Signers {
    using SafeERC20 for IERC20;

    IParticipants public immutable PARTICIPANTS;
    IFingerprints public immutable FINGERPRINTS;

    Book internal _book;
    mapping(uint32 id => Settlement) internal _settlements;
    uint32[] internal _settlementIds;
    mapping(address operator => OperatorState) internal _operators;
    bool internal _paused;
    /// The currencies once more for each active operator, so that one read says that it is one, and what it may sell in.
    mapping(address operator => mapping(uint32 id => Settlement)) internal _licences;
    address[] internal _activeOperators;

    constructor(address manager, IParticipants participants, IFingerprints fingerprints)
        AccessManaged(manager)
    {
        PARTICIPANTS = participants;
        FINGERPRINTS = fingerprints;
    }

    /// Takes a receivable from one status to another, with whatever else changed in its state.
    function _transition(bytes32 id, State state, Status from, Status to) internal {
        if (state.status() != from) revert StatusIs(id, state.status());
        Lifecycle.transition(_book, id, state, to);
    }

    /// Asks whether who calls, or signed what is relayed, may do this for the account.
    function _authorise(address account, uint16 scope, uint32 currency, uint64 amount)
        internal
        view
        returns (address payout)
    {
        return _authoriseFor(account, _signer(), _cosigner(), scope, currency, amount);
    }

    /// `IParticipants.authorise`, which is asked at every step, without the compiler's care for values that are known to
    /// fit: it costs half.
    function _authoriseFor(
        address account,
        address signer,
        address cosigner,
        uint16 scope,
        uint32 currency,
        uint64 amount
    ) internal view returns (address payout) {
        IParticipants participants = PARTICIPANTS;
        bytes32 selector = IParticipants.authorise.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            // On the stack the bits above a value's type may be anything.
            mstore(add(data, 0x04), shr(96, shl(96, account)))
            mstore(add(data, 0x24), shr(96, shl(96, signer)))
            mstore(add(data, 0x44), shr(96, shl(96, cosigner)))
            mstore(add(data, 0x64), and(scope, 0xffff))
            mstore(add(data, 0x84), and(currency, 0xffffffff))
            mstore(add(data, 0xa4), and(amount, 0xffffffffffffffff))
            if iszero(staticcall(gas(), participants, data, 0xc4, 0x00, 0x20)) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
            payout := mload(0x00)
        }
    }

    /// Takes money from the wallet of who calls, or signed what is relayed: never from an argument.
    function _pull(Settlement settlement, address payer, uint64 amount) internal {
        address token = settlement.token();
        uint256 value = amount * settlement.scale();
        uint256 received = Cash.pull(token, payer, address(this), value);
        if (received < value) revert TokenShort(token, received, value);
    }

    function _push(Settlement currency, address payout, uint256 amount) internal {
        if (amount == 0) return;
        IERC20(currency.token()).safeTransfer(payout, amount * currency.scale());
    }

    /// Takes the supplier's units away from a receivable that comes to nothing.
    function _withdraw(Terms calldata terms, bytes32 id, Status from, Status to) internal {
        State state = _book.states[id].load();
        // Before confirmation the time in it is not that of one.
        _transition(id, to == Status.Cancelled ? state.withConfirmedAt(0) : state, from, to);
        _burn(id, terms.supplier, terms.amount);
    }

    /// Takes away all units of an account.
    function _burn(bytes32 id, address account, uint64 units) internal {
        _book.setHolder(id, account, Holder.wrap(0));

        _emitTransfer(_signer(), account, address(0), id, units);
    }

    /// Emits `IERC1155.TransferSingle`.
    function _emitTransfer(address operator, address from, address to, bytes32 id, uint256 units) internal {
        bytes32 topic = IERC1155.TransferSingle.selector;
        assembly ("memory-safe") {
            mstore(0x00, id)
            mstore(0x20, units)
            log4(0x00, 0x40, topic, shr(96, shl(96, operator)), shr(96, shl(96, from)), shr(96, shl(96, to)))
        }
    }

    /// The id of a receivable's lot, or of itself for lot 0.
    function _partId(bytes32 id, uint8 lot) internal pure returns (bytes32) {
        return lot == 0 ? id : keccak256(abi.encode(id, lot));
    }
}
