// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IFingerprints, Taking} from "./interfaces/IFingerprints.sol";

/// @title The register of invoices: one invoice, at most one live claim
contract Fingerprints is IFingerprints, AccessManaged {
    uint256 private constant KEYS_MAX = 8;

    struct Writer {
        bool recorded;
        bool paused;
    }

    /// Whether a slot is taken, and by what. In a struct, so that its place is worked out once.
    struct Slot {
        bytes32 id;
    }

    /// The writer recorded last unless it has paused, beside the present key set, so that taking a slot reads one word for
    /// all.
    struct Register {
        address writer;
        uint32 keySet;
        uint8 keyCount;
    }

    Register private _register;

    mapping(address writer => Writer) private _writers;
    mapping(uint32 keySet => bytes32[]) private _keys;
    mapping(address debtor => mapping(bytes32 fingerprint => Slot)) private _slots;

    constructor(address manager) AccessManaged(manager) {}

    /// @inheritdoc IFingerprints
    function take(address debtor, bytes32 fingerprint, uint32 keySet, bytes32 id) external {
        _check(keySet, 1);
        _take(debtor, fingerprint, id);
    }

    /// @inheritdoc IFingerprints
    function takeMany(Taking[] calldata takings) external {
        uint32 checked;
        for (uint256 i = 0; i < takings.length; ++i) {
            (address debtor, bytes32 fingerprint, uint32 keySet, bytes32 id) = takings[i].members();
            if (i == 0 || keySet != checked) {
                _check(keySet, 1);
                checked = keySet;
            }
            _take(debtor, fingerprint, id);
        }
    }

    /// @inheritdoc IFingerprints
    function takeAll(address debtor, bytes32[] calldata fingerprints, uint32 keySet, bytes32 id) external {
        _check(keySet, fingerprints.length);
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
    ) external {
        _check(keySet, newFingerprints.length);

        for (uint256 i = 0; i < oldFingerprints.length; ++i) {
            bytes32 fingerprint = oldFingerprints[i];
            Slot storage slot = _slots[debtor][fingerprint];
            if (slot.id != replaced) revert FingerprintNotOf(debtor, fingerprint, replaced);
            slot.id = id;
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
            if (_slots[debtor][fingerprint].id != id) _take(debtor, fingerprint, id);
        }
    }

    /// @inheritdoc IFingerprints
    function idOf(address debtor, bytes32 fingerprint) external view returns (bytes32) {
        return _slots[debtor][fingerprint].id;
    }

    /// @inheritdoc IFingerprints
    function pauseWriter(bool paused) external {
        Writer storage writer = _writers[msg.sender];
        writer.paused = paused;
        if (!paused && writer.recorded) _register.writer = msg.sender;
        else if (paused && _register.writer == msg.sender) _register.writer = address(0);

        emit WriterPaused(msg.sender, paused);
    }

    /* ROLES */

    /// @inheritdoc IFingerprints
    function recordWriter(address writer) external restricted {
        if (writer == address(0)) revert NotWriter(writer);
        if (_writers[writer].recorded) revert AlreadyWriter(writer);
        _writers[writer].recorded = true;
        if (!_writers[writer].paused) _register.writer = writer;

        emit WriterRecorded(writer);
    }

    /// @inheritdoc IFingerprints
    function retireWriter(address writer) external restricted {
        if (!_writers[writer].recorded) revert NotWriter(writer);
        _writers[writer].recorded = false;
        if (_register.writer == writer) _register.writer = address(0);

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
        uint32 keySet = ++_register.keySet;
        _register.keyCount = uint8(keys.length);
        _keys[keySet] = keys;

        emit KeySetChanged(keySet, keys);
    }

    /// @inheritdoc IFingerprints
    function isWriter(address writer) external view returns (bool) {
        return _writers[writer].recorded;
    }

    /// @inheritdoc IFingerprints
    function currentKeySet() external view returns (uint32) {
        return _register.keySet;
    }

    /// @inheritdoc IFingerprints
    function keysOf(uint32 keySet) external view returns (bytes32[] memory) {
        return _keys[keySet];
    }

    function _take(address debtor, bytes32 fingerprint, bytes32 id) private {
        if (fingerprint == 0) revert FingerprintZero();
        Slot storage slot = _slots[debtor][fingerprint];
        bytes32 taken = slot.id;
        if (taken != 0) revert FingerprintAlreadyTaken(debtor, fingerprint, taken);
        slot.id = id;

        emit FingerprintTaken(debtor, fingerprint, id);
    }

    /// The caller is a writer, the set of keys the present one, and there are as many fingerprints for each of its keys,
    /// one for each identifier of the seller.
    function _check(uint32 keySet, uint256 count) private view {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(_register.slot)
        }
        if (msg.sender != address(uint160(word))) _checkWriter();
        uint32 current = uint32(word >> 160);
        if (keySet != current) revert KeySetNotCurrent(keySet, current);
        uint256 keys = uint8(word >> 192);
        if (count == 0 || (count != keys && (keys == 0 || count % keys != 0))) {
            revert FingerprintCountInvalid(count, keys);
        }
    }

    /// A writer that is not the one recorded last, or has paused.
    function _checkWriter() private view {
        Writer storage writer = _writers[msg.sender];
        if (!writer.recorded) revert NotWriter(msg.sender);
        if (writer.paused) revert NewBusinessPaused();
    }
}
