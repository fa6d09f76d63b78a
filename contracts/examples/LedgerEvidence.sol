// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ILedgerEvidence} from "./ILedgerEvidence.sol";
import {IProvenanceLog} from "../interfaces/IProvenanceLog.sol";
import {IReceivables} from "../interfaces/IReceivables.sol";

/// @title Verifies what the ledger proves, for other contracts
/// @notice Holds nothing and is owned by nobody: whoever wants it deploys it for the ledger it trusts.
contract LedgerEvidence is ILedgerEvidence {
    /// version 1 · log id 32 · sequence 8 · recorder 20 · key id 32 · received 8 · CBV hash 32 · body hash 32 ·
    /// place 4 · fields root 32
    uint256 private constant LEAF_BYTES = 201;
    bytes1 private constant LEAF_VERSION = 0x01;

    IProvenanceLog public immutable LOG;
    IReceivables public immutable RECEIVABLES;

    constructor(IProvenanceLog log, IReceivables receivables) {
        LOG = log;
        RECEIVABLES = receivables;
    }

    /// @inheritdoc ILedgerEvidence
    function recorded(LoggedEvent calldata logged) external view returns (Recorded memory found) {
        bytes calldata leaf = logged.leaf;
        if (leaf.length != LEAF_BYTES || leaf[0] != LEAF_VERSION) revert NotRecorded();
        if (bytes32(leaf[1:33]) != LOG.logId()) revert NotRecorded();

        found.sequence = uint64(bytes8(leaf[33:41]));
        found.recorder = address(bytes20(leaf[41:61]));
        found.keyId = bytes32(leaf[61:93]);
        found.receivedAt = uint64(bytes8(leaf[93:101]));
        found.fieldsRoot = bytes32(leaf[169:201]);

        bytes32 leafHash = sha256(abi.encodePacked(bytes1(0x00), leaf)); // RFC 6962 section 2.1
        if (!LOG.isIncluded(leafHash, found.sequence, logged.auditPath)) revert NotRecorded();
    }

    /// @inheritdoc ILedgerEvidence
    function hasField(bytes32 fieldsRoot, Field calldata field) external pure returns (bool) {
        bytes32 key = sha256(abi.encodePacked("tallystick field name v1\x00", field.name));
        bytes32 value = sha256(abi.encodePacked("tallystick field value v1\x00", field.salt, field.value));
        bytes32 node = sha256(abi.encodePacked(bytes1(0x02), key, value));
        uint256 level = field.siblings.length;
        if (level > 256) return false;

        while (level > 0) {
            --level;
            bytes32 sibling = field.siblings[level];
            bool right = uint256(key) >> (255 - level) & 1 == 1;
            node = right
                ? sha256(abi.encodePacked(bytes1(0x03), sibling, node))
                : sha256(abi.encodePacked(bytes1(0x03), node, sibling));
        }
        return node == fieldsRoot;
    }

    /// @inheritdoc ILedgerEvidence
    function title(bytes32 id, address account) external view returns (uint64 units, uint64 free) {
        units = uint64(RECEIVABLES.balanceOf(account, uint256(id)));
        free = RECEIVABLES.freeUnits(id, account);
    }
}
