// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The head of the log of events, which can only grow
/// @notice The log is an RFC 6962 Merkle tree (SHA-256). A head is accepted only with a proof that it extends the last.
/// Beside it stands the root of a sparse Merkle map from keyed identifiers to what the log says of them.
/// @dev Warning: the map root is the operator's statement; anybody who has the log can recompute it.
interface IProvenanceLog {
    /// @notice A head of the log.
    struct Head {
        bytes32 logRoot;
        uint64 size;
        bytes32 mapRoot;
        uint64 timestamp;
    }

    /// @param history Rolling hash of all heads up to this one.
    event Anchored(
        uint64 indexed size, bytes32 logRoot, bytes32 mapRoot, uint64 previousSize, bytes32 history
    );

    /// @notice Thrown when the new log is not larger than the last.
    error NotLarger(uint64 size, uint64 current);
    /// @notice Thrown when the proof does not show that the new log extends the last.
    error ProofInvalid();

    /// @notice Records a head. By a role of the AccessManager.
    /// @param consistencyProof RFC 6962 section 2.1.2, from the present size to `size`.
    function anchor(bytes32 logRoot, uint64 size, bytes32[] calldata consistencyProof, bytes32 mapRoot)
        external;

    /// @notice The present head.
    function head() external view returns (Head memory);

    /// @notice Keccak-256 of the rolling hash before and the head, for each head in turn; begins with zero.
    function history() external view returns (bytes32);

    /// @notice The id of the log, which its leaves commit to.
    function logId() external view returns (bytes32);

    /// @notice Whether a leaf hash stands at that place under the present head, by its audit path (RFC 6962 2.1.1).
    function isIncluded(bytes32 leafHash, uint64 index, bytes32[] calldata auditPath)
        external
        view
        returns (bool);
}
