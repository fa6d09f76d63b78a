// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SignedActions} from "./SignedActions.sol";
import {IFingerprints} from "./interfaces/IFingerprints.sol";
import {IParticipants} from "./interfaces/IParticipants.sol";
import {Extended} from "./receivables/Extended.sol";
import {Actions} from "./receivables/Actions.sol";
import {Issuance} from "./receivables/Issuance.sol";
import {Ledger} from "./receivables/Ledger.sol";
import {Payments} from "./receivables/Payments.sol";
import {Title} from "./receivables/Title.sol";

/// @title Receivables: claims that their debtors signed, divisible, transferable, paid once
/// @notice To be used through `IReceivables`, which is what this and its extension are together.
contract Receivables is Issuance, Title, Payments {
    constructor(
        address manager,
        IParticipants participants,
        IFingerprints fingerprints,
        address receivablesExtension
    )
        Ledger(manager, participants, fingerprints)
        SignedActions("Tallystick Receivables")
        Extended(receivablesExtension)
    {}

    function _action(bytes4 selector) internal view override returns (bytes32 typehash, uint256 encoding) {
        (typehash, encoding) = Actions.find(selector);
        if (typehash == 0) return super._action(selector);
    }
}
