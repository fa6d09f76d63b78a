// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFingerprints} from "../interfaces/IFingerprints.sol";
import {Confirmation, TERMS_OTHER_FINGERPRINTS, Terms} from "../types/Terms.sol";

/// @notice A call of `IFingerprints.takeMany` in the making, where it begins in memory.
type Takings is uint256;

using Slots for Takings global;

/// @title Taking the slots of confirmed invoices: those with one fingerprint together, in one call
library Slots {
    /// Room for so many.
    function reserve(uint256 most) internal pure returns (Takings takings) {
        bytes32 selector = IFingerprints.takeMany.selector;
        assembly ("memory-safe") {
            takings := mload(0x40)
            mstore(takings, selector)
            mstore(add(takings, 0x04), 0x20)
            mstore(add(takings, 0x24), 0)
            // Selector, offset and length, rounded up; four words each.
            mstore(0x40, add(add(takings, 0x60), shl(7, most)))
        }
    }

    /// Notes an invoice with one fingerprint, or takes all the slots of another at once.
    function add(
        Takings takings,
        IFingerprints register,
        Terms calldata terms,
        bytes32 id,
        Confirmation calldata confirmation
    ) internal {
        if (terms.word(TERMS_OTHER_FINGERPRINTS) != 0) {
            register.takeAll(terms.debtor, all(terms, confirmation), terms.keySet, id);
            return;
        }
        assembly ("memory-safe") {
            let count := mload(add(takings, 0x24))
            let data := add(add(takings, 0x44), shl(7, count))
            mstore(data, calldataload(add(terms, 0x20))) // debtor
            mstore(add(data, 0x20), calldataload(add(terms, 0x160))) // fingerprint
            mstore(add(data, 0x40), calldataload(add(terms, 0x140))) // keySet
            mstore(add(data, 0x60), id)
            mstore(add(takings, 0x24), add(count, 1))
        }
    }

    /// Takes what was noted.
    function send(Takings takings, IFingerprints register) internal {
        assembly ("memory-safe") {
            let count := mload(add(takings, 0x24))
            if count {
                if iszero(call(gas(), register, 0, takings, add(0x44, shl(7, count)), 0x00, 0x00)) {
                    let data := mload(0x40)
                    returndatacopy(data, 0, returndatasize())
                    revert(data, returndatasize())
                }
            }
        }
    }

    /// Takes the slots of one invoice.
    function take(
        IFingerprints register,
        Terms calldata terms,
        bytes32 id,
        Confirmation calldata confirmation
    ) internal {
        if (terms.word(TERMS_OTHER_FINGERPRINTS) != 0) {
            register.takeAll(terms.debtor, all(terms, confirmation), terms.keySet, id);
            return;
        }
        bytes32 selector = IFingerprints.take.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x04), calldataload(add(terms, 0x20))) // debtor
            mstore(add(data, 0x24), calldataload(add(terms, 0x160))) // fingerprint
            mstore(add(data, 0x44), calldataload(add(terms, 0x140))) // keySet
            mstore(add(data, 0x64), id)
            if iszero(call(gas(), register, 0, data, 0x84, 0x00, 0x00)) {
                returndatacopy(data, 0, returndatasize())
                revert(data, returndatasize())
            }
        }
    }

    /// All fingerprints of an invoice, the terms' own first.
    function all(Terms calldata terms, Confirmation calldata confirmation)
        internal
        pure
        returns (bytes32[] memory fingerprints)
    {
        uint256 count = confirmation.otherFingerprints.length;
        fingerprints = new bytes32[](count + 1);
        fingerprints[0] = terms.fingerprint;
        for (uint256 i = 0; i < count; ++i) {
            fingerprints[i + 1] = confirmation.otherFingerprints[i];
        }
    }
}
