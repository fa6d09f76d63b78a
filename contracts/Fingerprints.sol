// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IFingerprints} from "./interfaces/IFingerprints.sol";

/// @title The register of invoices: one invoice, at most one live claim
contract Fingerprints is IFingerprints, AccessManaged {
    uint256 private constant KEYS_MAX = 8;

    /// The writer recorded last, beside the present key set, so that taking a slot reads one word for both.
    address private _writer;
    uint32 private _keySet;
    uint8 private _keyCount;

    mapping(address writer => bool) private _writers;
    mapping(uint32 keySet => bytes32[]) private _keys;
    mapping(address debtor => mapping(bytes32 fingerprint => bytes32 id)) private _ids;

    constructor(address manager) AccessManaged(manager) {}

    modifier onlyWriter() {
        if (msg.sender != _writer && !_writers[msg.sender]) revert NotWriter(msg.sender);
        _;
    }

    /// @inheritdoc IFingerprints
    function take(address debtor, bytes32 fingerprint, uint32 keySet, bytes32 id) external onlyWriter {
        _checkCount(keySet, 1);
        _take(debtor, fingerprint, id);
    }

    /// @inheritdoc IFingerprints
    function takeAll(address debtor, bytes32[] calldata fingerprints, uint32 keySet, bytes32 id)
        external
        onlyWriter
    {
        _checkCount(keySet, fingerprints.length);
        for (uint256 i = 0; i < fingerprints.length; ++i) {
            _take(debtor, fingerprints[i], id);
        }
    }

    /// @inheritdoc IFingerprints
    function replace(
        address debtor,
        bytes32[] calldata oldFingerprints,
        bytes32 replaced,
        bytes32[] calldata newFingerprints,
        uint32 keySet,
        bytes32 id
    ) external onlyWriter {
        _checkCount(keySet, newFingerprints.length);

        for (uint256 i = 0; i < oldFingerprints.length; ++i) {
            bytes32 fingerprint = oldFingerprints[i];
            if (_ids[debtor][fingerprint] != replaced) {
                revert FingerprintNotOf(debtor, fingerprint, replaced);
            }
            _ids[debtor][fingerprint] = id;
            emit FingerprintRepointed(debtor, fingerprint, id, replaced);
        }
        for (uint256 i = 0; i < newFingerprints.length; ++i) {
            bytes32 fingerprint = newFingerprints[i];
            // One counted twice would leave the slot of another key free.
            for (uint256 j = 0; j < i; ++j) {
                if (newFingerprints[j] == fingerprint) {
                    revert FingerprintAlreadyTaken(debtor, fingerprint, id);
                }
            }
            if (_ids[debtor][fingerprint] != id) _take(debtor, fingerprint, id);
        }
    }

    /// @inheritdoc IFingerprints
    function idOf(address debtor, bytes32 fingerprint) external view returns (bytes32) {
        return _ids[debtor][fingerprint];
    }

    /* ROLES */

    /// @inheritdoc IFingerprints
    function recordWriter(address writer) external restricted {
        if (writer == address(0)) revert NotWriter(writer);
        if (_writers[writer]) revert AlreadyWriter(writer);
        _writers[writer] = true;
        _writer = writer;

        emit WriterRecorded(writer);
    }

    /// @inheritdoc IFingerprints
    function retireWriter(address writer) external restricted {
        if (!_writers[writer]) revert NotWriter(writer);
        _writers[writer] = false;
        if (_writer == writer) _writer = address(0);

        emit WriterRetired(writer);
    }

    /// @inheritdoc IFingerprints
    function changeKeys(bytes32[] calldata keys) external restricted {
        if (keys.length == 0 || keys.length > KEYS_MAX) revert KeysInvalid();
        for (uint256 i = 0; i < keys.length; ++i) {
            if (keys[i] == 0) revert KeysInvalid();
            for (uint256 j = 0; j < i; ++j) {
                if (keys[i] == keys[j]) revert KeysInvalid();
            }
        }
        uint32 keySet = ++_keySet;
        _keyCount = uint8(keys.length);
        _keys[keySet] = keys;

        emit KeySetChanged(keySet, keys);
    }

    /// @inheritdoc IFingerprints
    function isWriter(address writer) external view returns (bool) {
        return _writers[writer];
    }

    /// @inheritdoc IFingerprints
    function currentKeySet() external view returns (uint32) {
        return _keySet;
    }

    /// @inheritdoc IFingerprints
    function keysOf(uint32 keySet) external view returns (bytes32[] memory) {
        return _keys[keySet];
    }

    function _take(address debtor, bytes32 fingerprint, bytes32 id) private {
        if (fingerprint == 0) revert FingerprintZero();
        bytes32 taken = _ids[debtor][fingerprint];
        if (taken != 0) revert FingerprintAlreadyTaken(debtor, fingerprint, taken);
        _ids[debtor][fingerprint] = id;

        emit FingerprintTaken(debtor, fingerprint, id);
    }

    /// As many fingerprints for each active key, one for each identifier of the seller.
    function _checkCount(uint32 keySet, uint256 count) private view {
        if (keySet != _keySet) revert KeySetNotCurrent(keySet, _keySet);
        if (_keyCount == 0 || count == 0 || count % _keyCount != 0) {
            revert FingerprintCountInvalid(count, _keyCount);
        }
    }
}
