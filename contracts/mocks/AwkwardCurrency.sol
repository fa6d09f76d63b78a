// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {TestCurrency} from "./TestCurrency.sol";

/// @title Money that misbehaves, for tests
/// @notice Each way in which tokens in use differ from the standard, to be switched on one at a time.
contract AwkwardCurrency is TestCurrency {
    /// What transfers answer.
    enum Answer {
        True,
        /// False, and nothing moved.
        False,
        /// No bytes at all, as tokens older than the standard do.
        Nothing
    }

    Answer public answer;
    /// What is kept of each transfer, in ten thousandths.
    uint256 public fee;
    bool public paused;
    mapping(address account => bool) public blocked;
    /// Whom it calls in the middle of each transfer, and with what; whether that call succeeded the last time.
    address public hook;
    bytes public hookData;
    bool public hookSucceeded;

    error TransfersPaused();
    error AccountBlocked(address account);

    constructor(string memory name, string memory symbol, uint8 decimals_)
        TestCurrency(name, symbol, decimals_)
    {}

    function setAnswer(Answer answer_) external {
        answer = answer_;
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function setBlocked(address account, bool blocked_) external {
        blocked[account] = blocked_;
    }

    function setHook(address hook_, bytes calldata hookData_) external {
        hook = hook_;
        hookData = hookData_;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (answer == Answer.False) return false;
        super.transfer(to, value);
        return _answer();
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        if (answer == Answer.False) return false;
        super.transferFrom(from, to, value);
        return _answer();
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0)) {
            if (paused) revert TransfersPaused();
            if (blocked[from]) revert AccountBlocked(from);
            if (blocked[to]) revert AccountBlocked(to);
            uint256 kept = value * fee / 10_000;
            if (kept != 0) {
                super._update(from, address(0), kept);
                value -= kept;
            }
        }
        super._update(from, to, value);
        if (hook != address(0) && from != address(0) && to != address(0)) {
            (hookSucceeded,) = hook.call(hookData);
        }
    }

    function _answer() private view returns (bool) {
        if (answer == Answer.Nothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return true;
    }
}
