// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Who acts: the caller, or whoever signed what the contract tells itself
/// @dev A relayed action is a call of the contract by itself with the signers' addresses behind the arguments.
abstract contract Signers {
    /// The signer of the current call: who called, or who signed what is being relayed.
    function _signer() internal view returns (address signer) {
        if (msg.sender != address(this)) return msg.sender;
        assembly ("memory-safe") {
            signer := shr(96, calldataload(sub(calldatasize(), 40)))
        }
    }

    /// The second signer of the relayed action, zero where there is none.
    function _cosigner() internal view returns (address cosigner) {
        if (msg.sender != address(this)) return address(0);
        assembly ("memory-safe") {
            cosigner := shr(96, calldataload(sub(calldatasize(), 20)))
        }
    }
}
