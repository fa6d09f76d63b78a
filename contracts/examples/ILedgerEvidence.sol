// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What another contract can verify of this ledger
/// @notice That an event stands in the log, what it says, who recorded it, and who holds title to a receivable.
/// @dev Warning: an event is its recorder's word; that it stands in the log makes it lasting, not true.
/// @dev Warning: a leaf names the recorder's account and the fields by the operator's reading of the document it
/// received. Whoever has the document can refute a wrong reading, a contract cannot: use it where the operator is
/// believed that far, or let the recorder act itself.
interface ILedgerEvidence {
    /// @notice A leaf of the log (docs/bundle.md, version 1) and its place in the tree.
    struct LoggedEvent {
        /// The 201 bytes that the log committed to.
        bytes leaf;
        /// RFC 6962 section 2.1.1, under the present head.
        bytes32[] auditPath;
    }

    /// @notice One field of an event, shown by its salt.
    struct Field {
        /// JSON pointer (RFC 6901), such as `/bizStep`.
        string name;
        /// Canonical JSON (RFC 8785), such as `"receiving"` with its quotes.
        bytes value;
        bytes16 salt;
        /// From the root of the event's fields down.
        bytes32[] siblings;
    }

    /// @notice What a leaf says of itself.
    struct Recorded {
        uint64 sequence;
        /// The account it was recorded for.
        address recorder;
        /// The key that signed the document, or zero.
        bytes32 keyId;
        /// By the log's clock, milliseconds since 1970.
        uint64 receivedAt;
        bytes32 fieldsRoot;
    }

    /// @notice Thrown when the bytes are no leaf of this log, or do not stand in it where they say.
    error NotRecorded();

    /// @notice What an event that stands in the log says of itself. Reverts with `NotRecorded`.
    function recorded(LoggedEvent calldata logged) external view returns (Recorded memory);

    /// @notice Whether the event with these fields has this one, with this value.
    function hasField(bytes32 fieldsRoot, Field calldata field) external pure returns (bool);

    /// @notice Units of a receivable that an account holds, and how many of them it could sell now.
    function title(bytes32 id, address account) external view returns (uint64 units, uint64 free);
}
