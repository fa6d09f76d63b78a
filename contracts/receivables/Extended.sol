// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title A contract that leaves what it does not know to the code of another, in its own storage
/// @dev The other is fixed at construction. Both must see the same storage: see `Ledger`.
abstract contract Extended {
    address public immutable EXTENSION;

    constructor(address extension) {
        EXTENSION = extension;
    }

    fallback() external {
        _extend();
    }

    /// Leaves the whole call to the extension, and ends it with its answer.
    function _extend() internal {
        address extension = EXTENSION;
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            let success := delegatecall(gas(), extension, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            if iszero(success) { revert(data, returndatasize()) }
            return(data, returndatasize())
        }
    }
}
