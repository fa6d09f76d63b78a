// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SignedActions} from "./SignedActions.sol";
import {RecourseClaims} from "./financing/RecourseClaims.sol";
import {Sales} from "./financing/Sales.sol";
import {IParticipants} from "./interfaces/IParticipants.sol";
import {IReceivables} from "./interfaces/IReceivables.sol";
import {
    ACCEPT_TYPEHASH,
    ACKNOWLEDGE_CASH_TYPEHASH,
    ANSWER_WARRANTY_TYPEHASH,
    CANCEL_OFFER_TYPEHASH,
    DEMAND_WARRANTY_TYPEHASH,
    Offer,
    PERFORM_RECOURSE_TYPEHASH
} from "./types/Sale.sol";

/// @title Financing
/// @dev See `IFinancing`. It holds no cash but reserves, and no claims at all.
contract Financing is RecourseClaims {
    /// Words of an offer in calldata, of a parcel, and where an offer says where its parcels are.
    uint256 private constant OFFER_SIZE = 15 * 32;
    uint256 private constant PARCEL_SIZE = 3 * 32;
    uint256 private constant PARCELS_AT = 2 * 32;

    constructor(IReceivables receivables, IParticipants participants)
        SignedActions("Tallystick Financing")
        Sales(receivables, participants)
    {}

    function _action(bytes4 selector) internal view override returns (bytes32 typehash, uint256 encoding) {
        if (selector == this.accept.selector) return (ACCEPT_TYPEHASH, OWN);
        if (selector == this.acceptWith.selector) return (ACCEPT_TYPEHASH, OWN);
        if (selector == this.cancelOffer.selector) return (CANCEL_OFFER_TYPEHASH, OWN);
        if (selector == this.acknowledgeCash.selector) return (ACKNOWLEDGE_CASH_TYPEHASH, OWN);
        if (selector == this.performRecourse.selector) return (PERFORM_RECOURSE_TYPEHASH, OWN);
        if (selector == this.demandWarranty.selector) return (DEMAND_WARRANTY_TYPEHASH, OWN);
        if (selector == this.answerWarranty.selector) return (ANSWER_WARRANTY_TYPEHASH, OWN);
        return super._action(selector);
    }

    /// The offer's hash and the atomic arguments behind it; what follows those is not signed.
    function _encodeOwn(bytes4 selector, bytes calldata arguments)
        internal
        pure
        override
        returns (bytes memory)
    {
        uint256 atomic = 1;
        if (selector == this.cancelOffer.selector) atomic = 0;
        if (selector == this.demandWarranty.selector) atomic = 2;
        if (selector == this.answerWarranty.selector || selector == this.performRecourse.selector) {
            atomic = 3;
        }

        if (arguments.length < OFFER_SIZE) return "";
        uint256 start = uint256(bytes32(arguments));
        if (start > arguments.length - OFFER_SIZE) return "";
        bytes calldata rest = arguments[start:];
        uint256 parcelsAt = uint256(bytes32(rest[PARCELS_AT:]));
        if (parcelsAt > rest.length - 32) return "";
        uint256 count = uint256(bytes32(rest[parcelsAt:]));
        if (count > (rest.length - 32 - parcelsAt) / PARCEL_SIZE) return "";

        Offer calldata offer;
        assembly ("memory-safe") {
            offer := rest.offset
        }
        return abi.encodePacked(offer.hash(offer.parcels), arguments[32:32 + 32 * atomic]);
    }
}
