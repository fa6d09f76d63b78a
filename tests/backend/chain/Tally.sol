// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SignedActions} from "contracts/SignedActions.sol";

/// @title What the tests of the write path call: counts, refuses, and takes signed actions
contract Tally is SignedActions("Tally") {
    event Counted(address indexed who, uint256 value, string note);

    error TooMuch(uint256 value, uint256 limit);

    mapping(address who => uint256) public total;

    function count(uint256 value, string calldata note) external {
        if (value > 1000) revert TooMuch(value, 1000);
        total[_signer()] += value;
        emit Counted(_signer(), value, note);
    }

    /// Emits many events in one call.
    function countMany(uint256 times) external {
        for (uint256 i = 0; i < times; ++i) {
            emit Counted(_signer(), i, "");
        }
    }

    function _action(bytes4 selector) internal view override returns (bytes32 typehash, uint256 encoding) {
        if (selector == this.count.selector) {
            return (
                keccak256("Count(uint256 value,string note,uint256 nonce,uint256 deadline,uint256 gasFloor)"),
                2 | _at(1, BYTES)
            );
        }
        return super._action(selector);
    }
}
