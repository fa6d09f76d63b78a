// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Money for tests and local chains
/// @notice An ERC-20 with permit that anybody may mint: worth nothing, and so refused as a settlement currency by
/// the deployment script on any chain that is not a test chain.
contract TestCurrency is ERC20Permit {
    uint8 private immutable _decimals;

    constructor(string memory name, string memory symbol, uint8 decimals_)
        ERC20(name, symbol)
        ERC20Permit(name)
    {
        _decimals = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    /// @notice Mints `value` minor units to `account`.
    function mint(address account, uint256 value) external {
        _mint(account, value);
    }
}
