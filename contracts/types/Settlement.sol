// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A currency, the token that settles it, and the rules of new business in it, in one word.
/// @dev From the lowest bit:
/// | token 160 | code 24 | exponent 8 | closed 8 | minimum 40 | maxTenorDays 16 |
///
/// code: ISO 4217. exponent: a minor unit is `10 ** exponent` of the token's units. closed: `CLOSED_…` bits; new business
/// may be done where there is none. minimum: the smallest part that may be split off, and the smallest part payment of
/// others than the debtor, minor units. maxTenorDays: the longest time from confirmation to due date.
type Settlement is uint256;

using SettlementWord for Settlement global;

uint8 constant CLOSED_BY_SETTING = 1 << 0;
uint8 constant CLOSED_BY_PAUSE = 1 << 1;

/// @title Reading and changing a `Settlement`; changes are of the word in hand, not of storage
library SettlementWord {
    function create(
        address token_,
        bytes3 code_,
        uint8 exponent_,
        uint8 closed_,
        uint40 minimum_,
        uint16 maxTenorDays_
    ) internal pure returns (Settlement) {
        return Settlement.wrap(
            uint256(uint160(token_)) | (uint256(uint24(code_)) << 160) | (uint256(exponent_) << 184)
                | (uint256(closed_) << 192) | (uint256(minimum_) << 200) | (uint256(maxTenorDays_) << 240)
        );
    }

    /// The id of the currency that a token settles: what of its address fits beside the state of a receivable.
    function idOf(address token_) internal pure returns (uint32) {
        return uint32(uint160(token_));
    }

    function token(Settlement self) internal pure returns (address) {
        return address(uint160(Settlement.unwrap(self)));
    }

    function code(Settlement self) internal pure returns (bytes3) {
        return bytes3(uint24(Settlement.unwrap(self) >> 160));
    }

    /// Whether this is the token's currency, and open for new business.
    function isOpenIn(Settlement self, address token_) internal pure returns (bool) {
        uint256 asked = type(uint160).max | (uint256(type(uint8).max) << 192);
        return Settlement.unwrap(self) & asked == uint160(token_);
    }

    /// Token units in a minor unit.
    function scale(Settlement self) internal pure returns (uint256) {
        uint8 exponent_ = self.exponent();
        return exponent_ == 0 ? 1 : 10 ** exponent_;
    }

    function exponent(Settlement self) internal pure returns (uint8) {
        return uint8(Settlement.unwrap(self) >> 184);
    }

    function closed(Settlement self) internal pure returns (uint8) {
        return uint8(Settlement.unwrap(self) >> 192);
    }

    function minimum(Settlement self) internal pure returns (uint40) {
        return uint40(Settlement.unwrap(self) >> 200);
    }

    function maxTenorDays(Settlement self) internal pure returns (uint16) {
        return uint16(Settlement.unwrap(self) >> 240);
    }

    function withClosed(Settlement self, uint8 closed_) internal pure returns (Settlement) {
        return
            create(self.token(), self.code(), self.exponent(), closed_, self.minimum(), self.maxTenorDays());
    }
}
