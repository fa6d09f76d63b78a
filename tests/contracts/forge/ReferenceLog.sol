// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The Merkle tree of RFC 6962 section 2.1, written as the recursive definitions stand there: slow, and the measure of
/// what the contract does bit by bit.
library ReferenceLog {
    /// MTH(D[from:to]).
    function root(bytes32[] memory leaves, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (from == to) return sha256("");
        if (to - from == 1) return leaves[from];
        uint256 k = _split(to - from);
        return node(root(leaves, from, from + k), root(leaves, from + k, to));
    }

    /// PATH(m, D[from:to]), with `m` counted from `from`.
    function path(uint256 m, bytes32[] memory leaves, uint256 from, uint256 to)
        internal
        pure
        returns (bytes32[] memory)
    {
        if (to - from == 1) return new bytes32[](0);
        uint256 k = _split(to - from);
        return m < k
            ? _append(path(m, leaves, from, from + k), root(leaves, from + k, to))
            : _append(path(m - k, leaves, from + k, to), root(leaves, from, from + k));
    }

    /// PROOF(m, D[0:n]).
    function consistency(uint256 m, bytes32[] memory leaves, uint256 n)
        internal
        pure
        returns (bytes32[] memory)
    {
        return _subproof(m, leaves, 0, n, true);
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(1), left, right));
    }

    /// Leaf hashes that differ from each other.
    function leavesOf(uint256 count) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = sha256(abi.encodePacked(uint8(0), "leaf ", i));
        }
    }

    function _subproof(uint256 m, bytes32[] memory leaves, uint256 from, uint256 to, bool complete)
        private
        pure
        returns (bytes32[] memory)
    {
        uint256 n = to - from;
        if (m == n) {
            return complete ? new bytes32[](0) : _append(new bytes32[](0), root(leaves, from, to));
        }
        uint256 k = _split(n);
        return m <= k
            ? _append(_subproof(m, leaves, from, from + k, complete), root(leaves, from + k, to))
            : _append(_subproof(m - k, leaves, from + k, to, false), root(leaves, from, from + k));
    }

    /// The largest power of two smaller than n.
    function _split(uint256 n) private pure returns (uint256 k) {
        k = 1;
        while (k * 2 < n) k *= 2;
    }

    function _append(bytes32[] memory hashes, bytes32 hash) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](hashes.length + 1);
        for (uint256 i = 0; i < hashes.length; ++i) {
            longer[i] = hashes[i];
        }
        longer[hashes.length] = hash;
    }
}
