// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {IProvenanceLog} from "./interfaces/IProvenanceLog.sol";

/// @title ProvenanceLog
/// @dev See `IProvenanceLog`. A head is four words of storage; what it was before is in `history`.
contract ProvenanceLog is AccessManaged, MerkleLog, IProvenanceLog {
    /// @inheritdoc IProvenanceLog
    bytes32 public immutable logId;

    /// @inheritdoc IProvenanceLog
    bytes32 public history;

    bytes32 private _logRoot;
    bytes32 private _mapRoot;
    // |  64 bits  |  64 bits   |
    // |  _size    | _timestamp |
    uint64 private _size;
    uint64 private _timestamp;

    /// Kept here rather than asked of the AccessManager each time, which would cost as much as two words of storage.
    mapping(address caller => bool) private _anchorers;

    /// @param authority The AccessManager whose roles say who may appoint those that anchor.
    constructor(address authority) AccessManaged(authority) {
        logId = keccak256(abi.encode(block.chainid, address(this)));
    }

    /// @inheritdoc IProvenanceLog
    function anchor(bytes32 logRoot, uint64 size, bytes32[] calldata consistencyProof, bytes32 mapRoot)
        external
    {
        if (!_anchorers[msg.sender]) revert NotAnchorer(msg.sender);
        uint64 previousSize = _size;
        if (size <= previousSize) revert NotLarger(size, previousSize);
        if (!_isExtension(_logRoot, previousSize, logRoot, size, consistencyProof)) revert ProofInvalid();

        bytes32 newHistory = keccak256(abi.encode(history, logRoot, size, mapRoot, block.timestamp));
        history = newHistory;
        _logRoot = logRoot;
        _mapRoot = mapRoot;
        _size = size;
        _timestamp = uint64(block.timestamp);

        emit Anchored(size, logRoot, mapRoot, previousSize, newHistory);
    }

    /// @inheritdoc IProvenanceLog
    function setAnchorer(address anchorer, bool appointed) external restricted {
        _anchorers[anchorer] = appointed;

        emit AnchorerSet(anchorer, appointed);
    }

    /// @inheritdoc IProvenanceLog
    function isAnchorer(address anchorer) external view returns (bool) {
        return _anchorers[anchorer];
    }

    /// @inheritdoc IProvenanceLog
    function head() external view returns (Head memory) {
        return Head({logRoot: _logRoot, size: _size, mapRoot: _mapRoot, timestamp: _timestamp});
    }

    /// @inheritdoc IProvenanceLog
    function isIncluded(bytes32 leafHash, uint64 index, bytes32[] calldata auditPath)
        external
        view
        returns (bool)
    {
        return _isIncluded(leafHash, index, _logRoot, _size, auditPath);
    }
}
