// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice The signer of the current call: who called, or who signed what is being relayed.
function signerOfCall() view returns (address signer) {
    assembly ("memory-safe") {
        signer := caller()
        if eq(signer, address()) { signer := shr(96, calldataload(sub(calldatasize(), 40))) }
    }
}

/// @title Who acts: the caller, or whoever signed what the contract tells itself
/// @dev A relayed action is a call of the contract by itself with the signers' addresses behind the arguments.
abstract contract Signers {
    /// See `signerOfCall`.
    function _signer() internal view returns (address signer) {
        return signerOfCall();
    }

    /// The second signer of the relayed action, zero where there is none.
    function _cosigner() internal view returns (address cosigner) {
        if (msg.sender != address(this)) return address(0);
        assembly ("memory-safe") {
            cosigner := shr(96, calldataload(sub(calldatasize(), 20)))
        }
    }
}
