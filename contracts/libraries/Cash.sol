// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Cash out of a wallet, in tokens as they come: those that answer nothing, or keep a fee, included
library Cash {
    /// Moves token units as OpenZeppelin's `safeTransferFrom`, and looks what arrived.
    /// @return received What the receiver has more than before.
    function pull(address token, address from, address to, uint256 value)
        internal
        returns (uint256 received)
    {
        uint256 before = balanceOf(token, to);
        bytes32 selector = IERC20.transferFrom.selector;
        bool done;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), shr(96, shl(96, from)))
            mstore(add(data, 0x24), shr(96, shl(96, to)))
            mstore(add(data, 0x44), value)
            mstore(0x00, 0)
            done := call(gas(), token, 0, data, 0x64, 0x00, 0x20)
            if iszero(done) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
            switch returndatasize()
            case 0 { done := gt(extcodesize(token), 0) }
            default { done := eq(mload(0x00), 1) }
        }
        if (!done) revert SafeERC20.SafeERC20FailedOperation(token);
        uint256 held = balanceOf(token, to);
        // Of a token that takes more than it brings, nothing arrived.
        unchecked {
            if (held > before) received = held - before;
        }
    }

    /// Reverts if the token does not answer: what moved could not be told.
    function balanceOf(address token, address account) internal view returns (uint256 held) {
        bytes32 selector = IERC20.balanceOf.selector;
        bool answered;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), shr(96, shl(96, account)))
            // From right to left.
            answered := and(gt(returndatasize(), 0x1f), staticcall(gas(), token, data, 0x24, 0x00, 0x20))
            held := mload(0x00)
        }
        if (!answered) revert SafeERC20.SafeERC20FailedOperation(token);
    }
}
