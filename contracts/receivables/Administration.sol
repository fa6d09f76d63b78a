// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IReceivablesExtension} from "../interfaces/IReceivablesExtension.sol";
import {CLOSED_BY_PAUSE, CLOSED_BY_SETTING, Settlement, SettlementWord} from "../types/Settlement.sol";
import {Currency, OperatorState} from "../types/Receivable.sol";
import {Ledger} from "./Ledger.sol";

/// @title What roles of the AccessManager may set: currencies and their rules, operators, a pause of new business
abstract contract Administration is Ledger, IReceivablesExtension {
    uint16 private constant TENOR_DAYS = 180;
    uint16 private constant TENOR_DAYS_MAX = 365;
    uint8 private constant EXPONENT_MAX = 18;
    /// A pause marks each of them.
    uint256 private constant CURRENCIES_MAX = 64;
    /// Active at the same time; a currency is written for each.
    uint256 private constant OPERATORS_MAX = 16;

    /// @inheritdoc IReceivablesExtension
    function admitCurrency(address token, bytes3 code, uint8 digits, uint40 minimum)
        external
        restricted
        returns (uint32 id)
    {
        id = SettlementWord.idOf(token);
        uint8 decimals = IERC20Metadata(token).decimals();
        if (
            id == 0 || _settlements[id].token() != address(0) || _settlementIds.length == CURRENCIES_MAX
                || decimals < digits || decimals - digits > EXPONENT_MAX
        ) revert SettingInvalid();
        uint8 exponent = decimals - digits;
        uint8 closed = _paused ? CLOSED_BY_PAUSE : 0;
        _settlementIds.push(id);
        _setSettlement(id, SettlementWord.create(token, code, exponent, closed, minimum, TENOR_DAYS));

        emit CurrencyAdmitted(id, token, code, exponent, minimum, TENOR_DAYS);
    }

    /// @inheritdoc IReceivablesExtension
    function setCurrency(uint32 id, bool open, uint40 minimum, uint16 maxTenorDays) external restricted {
        Settlement known = _settlements[id];
        if (known.token() == address(0) || maxTenorDays == 0 || maxTenorDays > TENOR_DAYS_MAX) {
            revert SettingInvalid();
        }
        uint8 closed = (known.closed() & CLOSED_BY_PAUSE) | (open ? 0 : CLOSED_BY_SETTING);
        _setSettlement(
            id,
            SettlementWord.create(
                known.token(), known.code(), known.exponent(), closed, minimum, maxTenorDays
            )
        );

        emit CurrencyChanged(id, open, minimum, maxTenorDays);
    }

    /// @inheritdoc IReceivablesExtension
    function setOperator(address operator, OperatorState state) external restricted {
        OperatorState before = _operators[operator];
        if (operator == address(0) || before == state) revert SettingInvalid();
        _operators[operator] = state;
        if (before == OperatorState.Active) _endLicences(operator);
        if (state == OperatorState.Active) _beginLicences(operator);

        emit OperatorSet(operator, state);
    }

    /// @inheritdoc IReceivablesExtension
    function pause() external restricted {
        _setPaused(true);
        emit Paused();
    }

    /// @inheritdoc IReceivablesExtension
    function unpause() external restricted {
        _setPaused(false);
        emit Unpaused();
    }

    /// @inheritdoc IReceivablesExtension
    function currency(uint32 id) external view returns (Currency memory) {
        return _view(id);
    }

    /// @inheritdoc IReceivablesExtension
    function currencyOf(address token) external view returns (uint32 id, Currency memory answer) {
        id = SettlementWord.idOf(token);
        answer = _view(id);
        if (answer.token != token) return (0, _view(0));
    }

    /// @inheritdoc IReceivablesExtension
    function currencyIds() external view returns (uint32[] memory) {
        return _settlementIds;
    }

    /// @inheritdoc IReceivablesExtension
    function operatorState(address operator) external view returns (OperatorState) {
        return _operators[operator];
    }

    /// @inheritdoc IReceivablesExtension
    function isPaused() external view returns (bool) {
        return _paused;
    }

    /// The pause stands where new business looks anyway: with its currency, and for confirmations with the register.
    function _setPaused(bool paused) private {
        _paused = paused;
        FINGERPRINTS.pauseWriter(paused);
        for (uint256 i = 0; i < _settlementIds.length; ++i) {
            Settlement known = _settlements[_settlementIds[i]];
            uint8 setting = known.closed() & CLOSED_BY_SETTING;
            _setSettlement(_settlementIds[i], known.withClosed(setting | (paused ? CLOSED_BY_PAUSE : 0)));
        }
    }

    /// The only writer of a currency, so that it is the same for every active operator.
    function _setSettlement(uint32 id, Settlement settlement) private {
        _settlements[id] = settlement;
        for (uint256 i = 0; i < _activeOperators.length; ++i) {
            _licences[_activeOperators[i]][id] = settlement;
        }
    }

    function _beginLicences(address operator) private {
        if (_activeOperators.length == OPERATORS_MAX) revert SettingInvalid();
        _activeOperators.push(operator);
        for (uint256 i = 0; i < _settlementIds.length; ++i) {
            uint32 id = _settlementIds[i];
            _licences[operator][id] = _settlements[id];
        }
    }

    function _endLicences(address operator) private {
        uint256 last = _activeOperators.length - 1;
        for (uint256 i = 0; i < last; ++i) {
            if (_activeOperators[i] == operator) _activeOperators[i] = _activeOperators[last];
        }
        _activeOperators.pop();
        for (uint256 i = 0; i < _settlementIds.length; ++i) {
            _licences[operator][_settlementIds[i]] = Settlement.wrap(0);
        }
    }

    function _view(uint32 id) private view returns (Currency memory) {
        Settlement known = _settlements[id];
        return Currency(
            known.token(),
            known.code(),
            known.exponent(),
            known.token() != address(0) && known.closed() == 0,
            known.minimum(),
            known.maxTenorDays()
        );
    }
}
