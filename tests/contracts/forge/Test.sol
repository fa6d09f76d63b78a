// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Vm, vm} from "./Vm.sol";

/// What Foundry itself expects of a test contract, assertions that say what differed, and bounds for fuzzed values.
abstract contract Test {
    /// Tells Foundry that this is a test contract.
    bool public constant IS_TEST = true;

    error NotTrue(string what);
    error NotEqual(string what, uint256 actual, uint256 expected);
    error NotEqualWords(string what, bytes32 actual, bytes32 expected);
    error NotEqualBytes(string what, bytes actual, bytes expected);
    error NotAtMost(string what, uint256 actual, uint256 limit);

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function assertFalse(bool condition, string memory what) internal pure {
        if (condition) revert NotTrue(string.concat("not ", what));
    }

    function assertEq(uint256 actual, uint256 expected, string memory what) internal pure {
        if (actual != expected) revert NotEqual(what, actual, expected);
    }

    function assertEq(bytes32 actual, bytes32 expected, string memory what) internal pure {
        if (actual != expected) revert NotEqualWords(what, actual, expected);
    }

    function assertEq(address actual, address expected, string memory what) internal pure {
        assertEq(uint256(uint160(actual)), uint256(uint160(expected)), what);
    }

    function assertEq(bytes memory actual, bytes memory expected, string memory what) internal pure {
        if (keccak256(actual) != keccak256(expected)) revert NotEqualBytes(what, actual, expected);
    }

    function assertLe(uint256 actual, uint256 limit, string memory what) internal pure {
        if (actual > limit) revert NotAtMost(what, actual, limit);
    }

    /// Maps a fuzzed value into [low, high]; values already in it stay as they are, so that edges are reached.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        require(low <= high, "bound: low above high");
        if (value >= low && value <= high) return value;
        uint256 size = high - low + 1;
        return size == 0 ? value : low + value % size;
    }
}
