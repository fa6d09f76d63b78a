// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Proofs of the append-only Merkle tree of RFC 6962 (SHA-256)
/// @dev The two verifications are the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2, bit by bit. `_node` is the
/// only place that hashes; the symbolic proofs put another hash there, which is why it is virtual.
abstract contract MerkleLog {
    /// The precompiled contract for SHA-256.
    uint256 private constant SHA256 = 2;

    /// Whether the tree of `newSize` leaves begins with the very leaves of the tree of `oldSize`.
    function _isExtension(
        bytes32 oldRoot,
        uint64 oldSize,
        bytes32 newRoot,
        uint64 newSize,
        bytes32[] calldata proof
    ) internal view returns (bool) {
        if (oldSize >= newSize) return false;
        if (oldSize == 0) return proof.length == 0;

        unchecked {
            uint256 first = uint256(oldSize) - 1;
            uint256 last = uint256(newSize) - 1;
            while (first & 1 != 0) {
                first >>= 1;
                last >>= 1;
            }
            // A tree of 2ⁿ leaves is a node of the new tree, and then the proof does not repeat it.
            uint256 next = first == 0 ? 0 : 1;
            if (proof.length < next) return false;
            bytes32 oldHash = next == 0 ? oldRoot : proof[0];
            bytes32 newHash = oldHash;

            for (; next < proof.length; ++next) {
                if (last == 0) return false;
                bytes32 sibling = _at(proof, next);
                if (first & 1 != 0 || first == last) {
                    oldHash = _node(sibling, oldHash);
                    newHash = _node(sibling, newHash);
                    while (first & 1 == 0 && first != 0) {
                        first >>= 1;
                        last >>= 1;
                    }
                } else {
                    newHash = _node(newHash, sibling);
                }
                first >>= 1;
                last >>= 1;
            }
            return last == 0 && oldHash == oldRoot && newHash == newRoot;
        }
    }

    /// Whether the leaf stands at `index` of the tree of `size` leaves.
    function _isIncluded(bytes32 leafHash, uint64 index, bytes32 root, uint64 size, bytes32[] calldata path)
        internal
        view
        returns (bool)
    {
        if (index >= size) return false;

        uint256 position = index;
        uint256 last = uint256(size) - 1;
        bytes32 hash = leafHash;
        for (uint256 i = 0; i < path.length; ++i) {
            if (last == 0) return false;
            if (position & 1 != 0 || position == last) {
                hash = _node(path[i], hash);
                while (position & 1 == 0 && position != 0) {
                    position >>= 1;
                    last >>= 1;
                }
            } else {
                hash = _node(hash, path[i]);
            }
            position >>= 1;
            last >>= 1;
        }
        return last == 0 && hash == root;
    }

    /// The hash of an inner node: SHA-256 of 0x01, left, right.
    function _node(bytes32 left, bytes32 right) internal view virtual returns (bytes32 hash) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore8(data, 1)
            mstore(add(data, 0x01), left)
            mstore(add(data, 0x21), right)
            if iszero(staticcall(gas(), SHA256, data, 0x41, 0x00, 0x20)) { revert(0, 0) }
            hash := mload(0x00)
        }
    }

    /// An element whose index was checked; anchoring is paid for by the hash.
    function _at(bytes32[] calldata hashes, uint256 index) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := calldataload(add(hashes.offset, shl(5, index)))
        }
    }
}
