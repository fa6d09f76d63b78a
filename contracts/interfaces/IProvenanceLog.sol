// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The head of the log of events, which can only grow
/// @notice The log is an RFC 6962 Merkle tree (SHA-256). A head is accepted only with a proof that it extends the last.
/// Beside it stands the root of a sparse Merkle map from keyed identifiers to what the log says of them.
/// @dev Warning: the map root is the operator's statement; anybody who has the log can recompute it.
/// @dev Warning: that a head extends the last says nothing about the truth of what was logged, only that none of it
/// was removed or rewritten.
interface IProvenanceLog {
    /// @notice A head of the log.
    struct Head {
        bytes32 logRoot;
        /// Number of leaves.
        uint64 size;
        bytes32 mapRoot;
        /// When it was anchored, Unix time of the block.
        uint64 timestamp;
    }

    /// @notice Emitted when a head was recorded.
    /// @param history Rolling hash of all heads up to this one.
    event Anchored(
        uint64 indexed size, bytes32 logRoot, bytes32 mapRoot, uint64 previousSize, bytes32 history
    );

    /// @notice Emitted when somebody was appointed to anchor, or no longer is.
    event AnchorerSet(address indexed anchorer, bool appointed);

    /// @notice Thrown when the new log is not larger than the last.
    error NotLarger(uint64 size, uint64 current);

    /// @notice Thrown when the proof does not show that the new log extends the last.
    error ProofInvalid();

    /// @notice Thrown when the caller was not appointed to anchor.
    error NotAnchorer(address caller);

    /// @notice Records a head. By whoever was appointed to anchor.
    /// @param logRoot Root of the log of `size` leaves.
    /// @param consistencyProof RFC 6962 section 2.1.2, from the present size to `size`; empty for the first head.
    /// @param mapRoot Root of the map that belongs to the log of this size.
    function anchor(bytes32 logRoot, uint64 size, bytes32[] calldata consistencyProof, bytes32 mapRoot)
        external;

    /// @notice Appoints somebody to anchor, or ends that. By a role of the AccessManager.
    function setAnchorer(address anchorer, bool appointed) external;

    /// @notice Whether somebody is appointed to anchor.
    function isAnchorer(address anchorer) external view returns (bool);

    /// @notice The present head; all zero before the first.
    function head() external view returns (Head memory);

    /// @notice The rolling hash of all heads: it begins as zero, and each head in turn makes it
    /// `keccak256(abi.encode(history, logRoot, size, mapRoot, timestamp))`. Whoever knows the heads since some past
    /// one can thus prove that one from current storage.
    function history() external view returns (bytes32);

    /// @notice The id of the log, which its leaves commit to: `keccak256(abi.encode(chain id, this contract))`.
    function logId() external view returns (bytes32);

    /// @notice Whether a leaf hash stands at that place under the present head, by its audit path (RFC 6962 2.1.1).
    function isIncluded(bytes32 leafHash, uint64 index, bytes32[] calldata auditPath)
        external
        view
        returns (bool);
}
