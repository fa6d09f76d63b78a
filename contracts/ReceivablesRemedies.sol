// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFingerprints} from "./interfaces/IFingerprints.sol";
import {IParticipants} from "./interfaces/IParticipants.sol";
import {Ledger} from "./receivables/Ledger.sol";
import {Remedies} from "./receivables/Remedies.sol";

/// @title The part of Receivables for when things go otherwise than planned
/// @notice Code only, as `ReceivablesExtension`, which leaves to it what it does not know itself.
contract ReceivablesRemedies is Remedies {
    constructor(address manager, IParticipants participants, IFingerprints fingerprints)
        Ledger(manager, participants, fingerprints)
    {}
}
