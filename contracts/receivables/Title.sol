// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IParticipants} from "../interfaces/IParticipants.sol";
import {IReceivablesCore} from "../interfaces/IReceivablesCore.sol";
import {SIDES_BUYER, SIDES_CURRENCY, SIDES_SELLER, Sides} from "../types/Account.sol";
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
    function sell(Sides calldata sides, bool acceptDispute, Parcel[] calldata parcels)
        external
        returns (address payout, Settlement currency, uint64[] memory sent)
    {
        currency = _licences[msg.sender][uint32(sides.wordAt(SIDES_CURRENCY))];
        // A currency that is not known is no receivable's.
        if (Settlement.unwrap(currency) == 0) _checkActiveOperator();
        payout = _authoriseSale(sides);
        for (uint256 i = 0; i < parcels.length; ++i) {
            uint64 before = _sell(parcels[i], sides, currency, acceptDispute);
            if (before == 0) continue;
            if (sent.length == 0) sent = new uint64[](parcels.length);
            sent[i] = before;
        }
        _return(payout, currency, sent);
    }

    /* QUESTIONS */

    /// @inheritdoc IERC1155
    function balanceOf(address account, uint256 id) external view returns (uint256) {
        return _book.holder(bytes32(id), account).units();
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
            balances[i] = _book.holder(bytes32(ids[i]), accounts[i]).units();
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
        _give(id, state, from, to, units, _settlements[currency], 0);
    }

    function _sell(Parcel calldata parcel, Sides calldata sides, Settlement currency, bool acceptDispute)
        private
        returns (uint64 sent)
    {
        (bytes32 id, uint256 units, uint256 minUnpaid) = parcel.words();
        State state = _checkParcel(id, units, minUnpaid, acceptDispute);
        if (state.currency() != sides.wordAt(SIDES_CURRENCY)) revert CurrencyDiffers(id);
        (address from, address to) = (sides.addressAt(SIDES_SELLER), sides.addressAt(SIDES_BUYER));
        sent = _give(id, state, from, to, units, currency, HOLDER_SOLD);
        emit TransferSingle(msg.sender, from, to, uint256(id), units);
    }

    /// Ends the call with the answer of `sell`, whose words are in range already.
    function _return(address payout, Settlement currency, uint64[] memory sent) private pure {
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, payout)
            mstore(add(data, 0x20), currency)
            mstore(add(data, 0x40), 0x60)
            let size := shl(5, add(mload(sent), 1))
            for { let at := 0 } lt(at, size) { at := add(at, 0x20) } {
                mstore(add(add(data, 0x60), at), mload(add(sent, at)))
            }
            return(data, add(0x60, size))
        }
    }

    /// `IParticipants.authoriseSale`, with the sides passed on as they came.
    function _authoriseSale(Sides calldata sides) private view returns (address payout) {
        IParticipants participants = PARTICIPANTS;
        bytes32 selector = IParticipants.authoriseSale.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            calldatacopy(add(data, 0x04), sides, 0x120)
            if iszero(staticcall(gas(), participants, data, 0x124, 0x00, 0x20)) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
            payout := mload(0x00)
        }
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
