// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {MerkleLog} from "../../../contracts/MerkleLog.sol";

/// The log's proofs with another hash, which the solver takes to have no collisions: what is proved is the algorithm.
contract SymbolicMerkleLog is MerkleLog {
    function isExtension(
        bytes32 oldRoot,
        uint64 oldSize,
        bytes32 newRoot,
        uint64 newSize,
        bytes32[] calldata proof
    ) external view returns (bool) {
        return _isExtension(oldRoot, oldSize, newRoot, newSize, proof);
    }

    function root(bytes32[] memory leaves, uint256 from, uint256 to) public pure returns (bytes32) {
        if (to - from == 1) return leaves[from];
        uint256 k = 1;
        while (k * 2 < to - from) k *= 2;
        return _hash(root(leaves, from, from + k), root(leaves, from + k, to));
    }

    function _node(bytes32 left, bytes32 right) internal pure override returns (bytes32) {
        return _hash(left, right);
    }

    function _hash(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(left, right));
    }
}

/// Proved by halmos for all leaves, roots and proofs of these sizes (`make deep-symbolic`).
contract MerkleLogSymbolic {
    SymbolicMerkleLog private _log = new SymbolicMerkleLog();

    /// No proof makes a log smaller, or leaves it as it is.
    function check_CannotShrink(
        bytes32 oldRoot,
        uint64 oldSize,
        bytes32 newRoot,
        uint64 newSize,
        bytes32 a,
        bytes32 b
    ) external view {
        bytes32[] memory proof = new bytes32[](2);
        (proof[0], proof[1]) = (a, b);
        if (newSize > 8 || oldSize > 8) return;
        if (_log.isExtension(oldRoot, oldSize, newRoot, newSize, proof)) assert(newSize > oldSize);
    }

    function check_CannotRewrite_1_2(bytes32[8] memory a, bytes32[8] memory b, bytes32[4] memory proof)
        external
        view
    {
        _check(1, 2, 1, a, b, proof);
    }

    function check_CannotRewrite_2_3(bytes32[8] memory a, bytes32[8] memory b, bytes32[4] memory proof)
        external
        view
    {
        _check(2, 3, 1, a, b, proof);
    }

    function check_CannotRewrite_3_5(bytes32[8] memory a, bytes32[8] memory b, bytes32[4] memory proof)
        external
        view
    {
        _check(3, 5, 4, a, b, proof);
    }

    function check_CannotRewrite_3_7(bytes32[8] memory a, bytes32[8] memory b, bytes32[4] memory proof)
        external
        view
    {
        _check(3, 7, 4, a, b, proof);
    }

    function check_CannotRewrite_4_8(bytes32[8] memory a, bytes32[8] memory b, bytes32[4] memory proof)
        external
        view
    {
        _check(4, 8, 1, a, b, proof);
    }

    function check_CannotRewrite_6_8(bytes32[8] memory a, bytes32[8] memory b, bytes32[4] memory proof)
        external
        view
    {
        _check(6, 8, 3, a, b, proof);
    }

    function check_CannotRewrite_7_8(bytes32[8] memory a, bytes32[8] memory b, bytes32[4] memory proof)
        external
        view
    {
        _check(7, 8, 4, a, b, proof);
    }

    /// If a proof is accepted between the trees of leaves `a` and `b`, the leaves of the first are those of the second.
    function _check(
        uint64 m,
        uint64 n,
        uint256 length,
        bytes32[8] memory a,
        bytes32[8] memory b,
        bytes32[4] memory words
    ) private view {
        bytes32[] memory older = new bytes32[](m);
        bytes32[] memory newer = new bytes32[](n);
        bytes32[] memory proof = new bytes32[](length);
        for (uint256 i = 0; i < m; ++i) {
            older[i] = a[i];
        }
        for (uint256 i = 0; i < n; ++i) {
            newer[i] = b[i];
        }
        for (uint256 i = 0; i < length; ++i) {
            proof[i] = words[i];
        }
        if (_log.isExtension(_log.root(older, 0, m), m, _log.root(newer, 0, n), n, proof)) {
            for (uint256 i = 0; i < m; ++i) {
                assert(a[i] == b[i]);
            }
        }
    }
}
