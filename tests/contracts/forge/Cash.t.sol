// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Cash} from "../../../contracts/libraries/Cash.sol";
import {AwkwardCurrency} from "../../../contracts/mocks/AwkwardCurrency.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

/// The library as a contract, which finds other things in memory before it.
contract CashUser {
    function pull(address token, address from, address to, uint256 value)
        external
        returns (uint256 received)
    {
        _soil();
        return Cash.pull(token, from, to, value);
    }

    function balanceOf(address token, address account) external view returns (uint256) {
        _soil();
        return Cash.balanceOf(token, account);
    }

    function _soil() private pure {
        assembly ("memory-safe") {
            mstore(0x00, not(0))
            mstore(0x20, not(0))
            let free := mload(0x40)
            for { let at := 0 } lt(at, 0x100) { at := add(at, 0x20) } {
                mstore(add(free, at), not(0))
            }
        }
    }
}

/// A token whose transfers answer a word of one's choice, and whose balances fall or are not told.
contract OddToken {
    uint256 private immutable ANSWER;
    bool private immutable TELLS;
    uint256 private _balance = 100;

    constructor(uint256 answer, bool tells) {
        (ANSWER, TELLS) = (answer, tells);
    }

    function transferFrom(address, address, uint256 value) external returns (uint256) {
        _balance -= value;
        return ANSWER;
    }

    function balanceOf(address) external view returns (uint256) {
        if (!TELLS) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return _balance;
    }
}

/// A token that fails with a zero when asked what there is, until it was told to move some: then it has much, as if that
/// had come.
contract LateToken {
    bool private _told;

    function transferFrom(address, address, uint256) external returns (bool) {
        return _told = true;
    }

    function balanceOf(address) external view returns (uint256) {
        if (_told) return 1_000_000;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            revert(0x00, 0x20)
        }
    }
}

/// Branches: Cash.tree.
contract CashTest is Test {
    address private constant PAYER = address(0xFaCade0000000000000000000000000000000001);
    address private constant PAYEE = address(0xfacadE0000000000000000000000000000000002);

    CashUser private _user;
    AwkwardCurrency private _token;

    function setUp() public {
        _user = new CashUser();
        _token = new AwkwardCurrency("Euro", "EUR", 2);
        _token.mint(PAYER, 1000);
        _token.mint(PAYEE, 7);
        vm.prank(PAYER);
        _token.approve(address(_user), type(uint256).max);
    }

    function _expectRefused(address token) private {
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token));
        _user.pull(token, PAYER, PAYEE, 1);
    }

    function test_Pull_MovesAndSaysWhatArrived(uint256 value) public {
        value = bound(value, 0, 1000);
        assertEq(_user.pull(address(_token), PAYER, PAYEE, value), value, "arrived");
        assertEq(_token.balanceOf(PAYER), 1000 - value, "payer");
        assertEq(_token.balanceOf(PAYEE), 7 + value, "payee");
    }

    function test_Pull_WithAFee() public {
        _token.setFee(1000);
        assertEq(_user.pull(address(_token), PAYER, PAYEE, 100), 90, "less");
    }

    function test_Pull_AnswersNothing() public {
        _token.setAnswer(AwkwardCurrency.Answer.Nothing);
        assertEq(_user.pull(address(_token), PAYER, PAYEE, 100), 100, "arrived");
    }

    function test_Pull_AnswersOtherThanTrue() public {
        _token.setAnswer(AwkwardCurrency.Answer.False);
        _expectRefused(address(_token));
        _expectRefused(address(new OddToken(2, true)));
        _expectRefused(address(0xdead));
    }

    function test_Pull_Reverts_InItsWords() public {
        _token.setBlocked(PAYER, true);
        vm.expectRevert(abi.encodeWithSelector(AwkwardCurrency.AccountBlocked.selector, PAYER));
        _user.pull(address(_token), PAYER, PAYEE, 1);
    }

    function test_Pull_TakesMoreThanItBrings() public {
        assertEq(_user.pull(address(new OddToken(1, true)), PAYER, PAYEE, 1), 0, "none");
    }

    function test_Pull_DoesNotSayWhatThereIs() public {
        _expectRefused(address(new OddToken(1, false)));
        _expectRefused(address(new LateToken()));
    }

    function test_BalanceOf() public view {
        assertEq(_user.balanceOf(address(_token), PAYEE), 7, "payee's");
        assertEq(_user.balanceOf(address(_token), PAYER), 1000, "payer's");
    }

    function test_BalanceOf_Untold() public {
        address[3] memory tokens =
            [address(0xdead), address(new OddToken(1, false)), address(new LateToken())];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, tokens[i]));
            _user.balanceOf(tokens[i], PAYER);
        }
    }
}
