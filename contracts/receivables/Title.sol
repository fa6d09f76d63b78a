// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {HOLDER_SOLD} from "../types/Holder.sol";
import {Parcel} from "../types/Receivable.sol";
import {State} from "../types/State.sol";
import {Settlement} from "../types/Settlement.sol";
import {Units} from "./Units.sol";

/// @title Who holds the units, and how they change hands
abstract contract Title is Units, IReceivablesCore {
    /* BY THE HOLDER */

    /// @inheritdoc IReceivablesCore
    function transfer(bytes32 id, address from, address to, uint64 units) external {
        _transfer(id, from, to, units);
        emit TransferSingle(_signer(), from, to, uint256(id), units);
    }

    /// @inheritdoc IERC1155
    function safeTransferFrom(address from, address to, uint256 id, uint256 value, bytes calldata) external {
        _transfer(bytes32(id), from, to, _toUnits(value));
        emit TransferSingle(_signer(), from, to, id, value);
    }

    /// @inheritdoc IERC1155
    function safeBatchTransferFrom(
        address from,
        address to,
        uint256[] calldata ids,
        uint256[] calldata values,
        bytes calldata
    ) external {
        if (ids.length != values.length) revert ArgumentInvalid();
        for (uint256 i = 0; i < ids.length; ++i) {
            _transfer(bytes32(ids[i]), from, to, _toUnits(values[i]));
        }
        emit TransferBatch(_signer(), from, to, ids, values);
    }

    /// @inheritdoc IERC1155
    function setApprovalForAll(address, bool) external pure {
        revert ApprovalsAreGrants();
    }

    /* BY OPERATORS */

    /// @inheritdoc IReceivablesCore
    function sell(Parcel[] calldata parcels, address from, address to, bool acceptDispute)
        external
        onlyActiveOperator
        returns (uint64[] memory sent, Settlement currency)
    {
        PARTICIPANTS.checkMove(from, to);
        uint256 count = parcels.length;
        sent = new uint64[](count);
        for (uint256 i = 0; i < count; ++i) {
            Parcel calldata parcel = parcels[i];
            Settlement its = _checkParcel(parcel, from, acceptDispute);
            if (i == 0) currency = its;
            else if (its.token() != currency.token()) revert ArgumentInvalid();
            sent[i] = _move(parcel.id, from, to, parcel.units, HOLDER_SOLD);
            emit TransferSingle(msg.sender, from, to, uint256(parcel.id), parcel.units);
        }
    }

    /* QUESTIONS */

    /// @inheritdoc IERC1155
    function balanceOf(address account, uint256 id) external view returns (uint256) {
        return _book.holders[bytes32(id)][account].load().units();
    }

    /// @inheritdoc IERC1155
    function balanceOfBatch(address[] calldata accounts, uint256[] calldata ids)
        external
        view
        returns (uint256[] memory balances)
    {
        if (accounts.length != ids.length) revert ArgumentInvalid();
        balances = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            balances[i] = _book.holders[bytes32(ids[i])][accounts[i]].load().units();
        }
    }

    /// @inheritdoc IERC1155
    /// @dev Whether the operator's grant covers any transfer; one with limits may do less.
    function isApprovedForAll(address account, address operator) external view returns (bool) {
        return PARTICIPANTS.hasFullTransferGrant(account, operator);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERC1155).interfaceId || interfaceId == type(IERC165).interfaceId;
    }

    function _transfer(bytes32 id, address from, address to, uint64 units) private {
        State state = _book.states[id].load();
        uint32 currency = state.currency();
        bool open = PARTICIPANTS.authoriseTransfer(from, _signer(), _cosigner(), currency, units, to);
        if (!open) _useReceipt(id, to, units);
        _checkTransferable(id, state);
        _checkPart(id, from, units, _settlements[currency]);
        _move(id, from, to, units, 0);
    }

    function _useReceipt(bytes32 id, address to, uint64 units) private {
        uint64 allowed = _book.receipts[id][to];
        if (allowed < units) revert ReceiverHasNotConsented(id, to);
        _book.receipts[id][to] = allowed - units;
    }

    function _toUnits(uint256 value) private pure returns (uint64) {
        if (value > type(uint64).max) revert ArgumentInvalid();
        return uint64(value);
    }
}
