// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Offer} from "../../../contracts/types/Sale.sol";

/// Proved by halmos for every value of every member.
contract OfferSymbolic {
    function load(Offer calldata offer) external pure returns (bool sound) {
        (, sound) = offer.load();
    }

    /// The words of an offer are taken only if the ABI decoder would take them: what was signed is what is settled.
    function check_LoadTakesWhatTheDecoderTakes(bytes32[15] memory words) external view {
        words[2] = bytes32(uint256(15 * 32));
        (bool answered, bytes memory answer) =
            address(this).staticcall(abi.encodePacked(this.load.selector, uint256(32), words, uint256(0)));
        bool sound = answered && abi.decode(answer, (bool));
        bool inRange = uint256(words[0]) >> 160 == 0 && uint256(words[1]) >> 160 == 0
            && uint256(words[3]) >> 160 == 0 && uint256(words[4]) >> 64 == 0 && uint256(words[5]) >> 64 == 0
            && uint256(words[6]) < 2 && uint256(words[7]) >> 64 == 0 && uint256(words[8]) < 2
            && uint256(words[11]) >> 32 == 0 && uint256(words[12]) >> 40 == 0
            && uint256(words[13]) >> 160 == 0;
        assert(sound == inRange);
    }
}
