// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Offer} from "../../../contracts/types/Sale.sol";

/// Proved by halmos for every value of every member.
contract OfferSymbolic {
    function inRange(Offer calldata offer) external pure returns (bool) {
        return offer.isInRange();
    }

    /// The words of an offer are taken only if the ABI decoder would take them: what was signed is what is settled.
    function check_TakesWhatTheDecoderTakes(bytes32[15] memory words) external view {
        words[2] = bytes32(uint256(15 * 32));
        (bool answered, bytes memory answer) =
            address(this).staticcall(abi.encodePacked(this.inRange.selector, uint256(32), words, uint256(0)));
        bool sound = answered && abi.decode(answer, (bool));
        bool expected = uint256(words[0]) >> 160 == 0 && uint256(words[1]) >> 160 == 0
            && uint256(words[3]) >> 160 == 0 && uint256(words[4]) >> 64 == 0 && uint256(words[5]) >> 64 == 0
            && uint256(words[6]) < 2 && uint256(words[7]) >> 64 == 0 && uint256(words[8]) < 2
            && uint256(words[11]) >> 32 == 0 && uint256(words[12]) >> 40 == 0
            && uint256(words[13]) >> 160 == 0;
        assert(sound == expected);
    }

    function hash(Offer calldata offer) external pure returns (bytes32) {
        return offer.hash(offer.parcelsOf());
    }

    /// Of two offers of one parcel each that differ anywhere, in price, parcel or expiry, the digests differ: nobody
    /// settles one at what another says. The hash is taken to have no collisions.
    function check_HashBindsEveryMember(
        bytes32[15] memory one,
        bytes32[3] memory parcel,
        bytes32[15] memory other,
        bytes32[3] memory otherParcel
    ) external view {
        bytes32 a = _hashOf(one, parcel);
        if (a != _hashOf(other, otherParcel)) return;
        for (uint256 i = 0; i < 15; ++i) {
            assert(i == 2 || one[i] == other[i]);
        }
        for (uint256 i = 0; i < 3; ++i) {
            assert(parcel[i] == otherParcel[i]);
        }
    }

    /// One more parcel is another offer too.
    function check_HashBindsTheNumberOfParcels(bytes32[15] memory words, bytes32[3] memory parcel)
        external
        view
    {
        bytes32 one = _hashOf(words, parcel);
        words[2] = bytes32(uint256(15 * 32));
        bytes memory two = abi.encodePacked(uint256(32), words, uint256(2), parcel, parcel);
        (bool answered, bytes memory answer) = address(this).staticcall(bytes.concat(this.hash.selector, two));
        assert(!answered || abi.decode(answer, (bytes32)) != one);
    }

    function _hashOf(bytes32[15] memory words, bytes32[3] memory parcel) private view returns (bytes32) {
        words[2] = bytes32(uint256(15 * 32));
        (bool answered, bytes memory answer) = address(this)
            .staticcall(abi.encodePacked(this.hash.selector, uint256(32), words, uint256(1), parcel));
        assert(answered);
        return abi.decode(answer, (bytes32));
    }
}
