// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFingerprints} from "./interfaces/IFingerprints.sol";
import {IParticipants} from "./interfaces/IParticipants.sol";
import {Administration} from "./receivables/Administration.sol";
import {Collections} from "./receivables/Collections.sol";
import {Custody} from "./receivables/Custody.sol";
import {Ledger} from "./receivables/Ledger.sol";
import {Extended} from "./receivables/Extended.sol";
import {Questions} from "./receivables/Questions.sol";

/// @title The part of Receivables that is off the common path
/// @notice Code only: `Receivables` runs it by delegatecall, in its own storage. Called directly it finds nothing.
contract ReceivablesExtension is Administration, Custody, Collections, Questions, Extended {
    constructor(
        address manager,
        IParticipants participants,
        IFingerprints fingerprints,
        address receivablesRemedies
    ) Ledger(manager, participants, fingerprints) Extended(receivablesRemedies) {}
}
