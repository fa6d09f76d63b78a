// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {MerkleLog} from "../../../contracts/MerkleLog.sol";
import {ReferenceLog} from "./ReferenceLog.sol";
import {Test} from "./Test.sol";

contract OpenMerkleLog is MerkleLog {
    function isExtension(
        bytes32 oldRoot,
        uint64 oldSize,
        bytes32 newRoot,
        uint64 newSize,
        bytes32[] calldata proof
    ) external view returns (bool) {
        return _isExtension(oldRoot, oldSize, newRoot, newSize, proof);
    }
}

/// The check of a consistency proof by itself, for callers that have not looked at the sizes as ProvenanceLog does.
/// Branches: MerkleLog.tree.
contract MerkleLogTest is Test {
    OpenMerkleLog private _log = new OpenMerkleLog();

    function _leaves(uint256 count) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = keccak256(abi.encode("leaf", i));
        }
    }

    function _root(uint256 size) private pure returns (bytes32) {
        return ReferenceLog.root(_leaves(size), 0, size);
    }

    function test_IsExtension_OfItselfOrOfALarger_IsFalse() public view {
        bytes32[] memory none = new bytes32[](0);
        assertFalse(_log.isExtension(_root(4), 4, _root(4), 4, none), "itself");
        assertFalse(_log.isExtension(_root(4), 4, _root(3), 3, none), "a smaller one");
        assertFalse(_log.isExtension(0, 0, 0, 0, none), "nothing of nothing");
        assertTrue(_log.isExtension(0, 0, _root(4), 4, none), "whatever of nothing");
        assertFalse(_log.isExtension(0, 0, _root(4), 4, new bytes32[](1)), "nothing, with a proof");
    }

    function test_IsExtension_WithoutItsFirstHash_IsFalse() public view {
        // The smaller tree is not a node of the larger one, so the proof must begin with one that both have.
        assertFalse(_log.isExtension(_root(3), 3, _root(4), 4, new bytes32[](0)), "empty proof");
        assertTrue(
            _log.isExtension(_root(3), 3, _root(4), 4, ReferenceLog.consistency(3, _leaves(4), 4)),
            "its proof"
        );
    }
}
