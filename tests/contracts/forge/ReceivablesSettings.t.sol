// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IReceivablesEvents} from "../../../contracts/interfaces/IReceivablesEvents.sol";
import {TestCurrency} from "../../../contracts/mocks/TestCurrency.sol";
import {Sides} from "../../../contracts/types/Account.sol";
import {Currency, OperatorState, Parcel} from "../../../contracts/types/Receivable.sol";
import {Settlement} from "../../../contracts/types/Settlement.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// Branches: ReceivablesSettings.tree.
contract ReceivablesSettingsTest is LedgerTest {
    uint32 private _euro;

    function setUp() public override {
        super.setUp();
        (_euro,) = receivables.currencyOf(address(euro));
    }

    function _assertCurrency(
        uint32 id,
        address token,
        uint8 exponent,
        bool open,
        uint40 minimum,
        uint16 days_
    ) private view {
        Currency memory currency = receivables.currency(id);
        assertEq(currency.token, token, "token");
        assertEq(uint256(uint24(currency.code)), uint256(uint24(EUR)), "code");
        assertEq(currency.exponent, exponent, "exponent");
        assertEq(currency.open ? 1 : 0, open ? 1 : 0, "open");
        assertEq(currency.minimum, minimum, "minimum");
        assertEq(currency.maxTenorDays, days_, "longest tenor");
    }

    function test_AdmitCurrency_IsKeptAsGiven() public {
        TestCurrency token = new TestCurrency("Euro of 20", "e20", 20);
        vm.expectEmit(address(receivables));
        emit IReceivablesEvents.CurrencyAdmitted(
            uint32(uint160(address(token))), address(token), EUR, 18, 77, 180
        );
        uint32 id = receivables.admitCurrency(address(token), EUR, 2, 77);
        _assertCurrency(id, address(token), 18, true, 77, 180);
        (uint32 found, Currency memory same) = receivables.currencyOf(address(token));
        assertEq(found, id, "found by its token");
        assertEq(same.token, address(token), "token");
        uint32[] memory ids = receivables.currencyIds();
        assertEq(ids.length, 2, "both");
        assertEq(ids[0], _euro, "the first");
        assertEq(ids[1], id, "the second");
    }

    /// A token whose address ends in four zero bytes would be the currency of every token that there is none of.
    function test_AdmitCurrency_OfIdZero_Reverts() public {
        address vain = address(uint160(0xbeef) << 32);
        vm.etch(vain, address(euro).code);
        vm.expectRevert(IReceivablesEvents.SettingInvalid.selector);
        receivables.admitCurrency(vain, EUR, 2, 1);
        (uint32 id, Currency memory none) = receivables.currencyOf(address(0x70CE));
        assertEq(id, 0, "id of none");
        assertEq(none.token, address(0), "token of none");
    }

    function test_AdmitCurrency_Twice_TooFewOrTooManyDecimals_Reverts() public {
        bytes memory refused = abi.encodeWithSelector(IReceivablesEvents.SettingInvalid.selector);
        vm.expectRevert(refused);
        receivables.admitCurrency(address(euro), EUR, 2, 1);
        TestCurrency coarse = new TestCurrency("Euro of 1", "e1", 1);
        vm.expectRevert(refused);
        receivables.admitCurrency(address(coarse), EUR, 2, 1);
        TestCurrency fine = new TestCurrency("Euro of 21", "e21", 21);
        vm.expectRevert(refused);
        receivables.admitCurrency(address(fine), EUR, 2, 1);
    }

    /// A pause marks each currency, so there may be no more of them than a transaction can mark.
    function test_AdmitCurrency_NoMoreThanSixtyFour() public {
        for (uint256 i = 1; i < 64; ++i) {
            receivables.admitCurrency(address(new TestCurrency("", "", 2)), EUR, 2, 1);
        }
        assertEq(receivables.currencyIds().length, 64, "currencies");
        TestCurrency token = new TestCurrency("", "", 2);
        vm.expectRevert(IReceivablesEvents.SettingInvalid.selector);
        receivables.admitCurrency(address(token), EUR, 2, 1);
        receivables.pause();
        uint32[] memory ids = receivables.currencyIds();
        for (uint256 i = 0; i < 64; ++i) {
            assertFalse(receivables.currency(ids[i]).open, "open");
        }
    }

    function test_CurrencyOf_AnUnknownToken_IsNone() public view {
        (uint32 id, Currency memory currency) = receivables.currencyOf(address(0xFACE));
        assertEq(id, 0, "id");
        assertEq(currency.token, address(0), "token");
        assertFalse(currency.open, "open");
        // Another token whose address ends alike.
        id = uint32(uint160(address(euro)));
        (id, currency) = receivables.currencyOf(address(uint160(id) | uint160(1) << 100));
        assertEq(id, 0, "id of one that ends alike");
        assertEq(currency.token, address(0), "token of one that ends alike");
    }

    function test_SetCurrency_ChangesWhatMayChange() public {
        vm.expectEmit(address(receivables));
        emit IReceivablesEvents.CurrencyChanged(_euro, false, 9, 365);
        receivables.setCurrency(_euro, false, 9, 365);
        _assertCurrency(_euro, address(euro), 0, false, 9, 365);
        receivables.setCurrency(_euro, true, 8, 1);
        _assertCurrency(_euro, address(euro), 0, true, 8, 1);
    }

    function test_SetCurrency_UnknownOrWithoutOrBeyondTenor_Reverts() public {
        bytes memory refused = abi.encodeWithSelector(IReceivablesEvents.SettingInvalid.selector);
        vm.expectRevert(refused);
        receivables.setCurrency(_euro + 1, true, 1, 180);
        vm.expectRevert(refused);
        receivables.setCurrency(_euro, true, 1, 0);
        vm.expectRevert(refused);
        receivables.setCurrency(_euro, true, 1, 366);
    }

    function test_Pause_OutlastsSettings_AndSettingsOutlastIt() public {
        vm.expectEmit(address(receivables));
        emit IReceivablesEvents.Paused();
        receivables.pause();
        assertTrue(receivables.isPaused(), "paused");
        receivables.setCurrency(_euro, true, 1, 180);
        assertFalse(receivables.currency(_euro).open, "open while paused");
        uint32 late = receivables.admitCurrency(address(new TestCurrency("", "", 2)), EUR, 2, 1);
        assertFalse(receivables.currency(late).open, "admitted while paused, and open");
        receivables.setCurrency(late, false, 1, 180);
        uint32 later = receivables.admitCurrency(address(new TestCurrency("", "", 2)), EUR, 2, 1);

        vm.expectEmit(address(receivables));
        emit IReceivablesEvents.Unpaused();
        receivables.unpause();
        assertFalse(receivables.isPaused(), "paused");
        assertTrue(receivables.currency(_euro).open, "open again");
        assertFalse(receivables.currency(late).open, "closed by its setting");
        assertTrue(receivables.currency(later).open, "closed by the pause alone");
        receivables.pause();
        receivables.unpause();
        assertFalse(receivables.currency(late).open, "still");
    }

    function test_SetOperator() public {
        vm.expectRevert(IReceivablesEvents.SettingInvalid.selector);
        receivables.setOperator(address(0), OperatorState.Active);
        vm.expectRevert(IReceivablesEvents.SettingInvalid.selector);
        receivables.setOperator(address(financing), OperatorState.Active);
        vm.expectEmit(address(receivables));
        emit IReceivablesEvents.OperatorSet(address(financing), OperatorState.WindingDown);
        receivables.setOperator(address(financing), OperatorState.WindingDown);
        assertTrue(receivables.operatorState(address(financing)) == OperatorState.WindingDown, "kept");
        assertTrue(receivables.operatorState(stranger) == OperatorState.None, "nobody");
    }

    /// Whichever was there first, every active operator sells in every currency, and no other does.
    function test_SetOperator_SellsInEveryCurrency() public {
        TestCurrency dollar = new TestCurrency("Dollar", "tUSD", 2);
        receivables.admitCurrency(address(dollar), "USD", 2, 1);
        bytes32[2] memory ids;
        ids[0] = _claim();
        Terms memory terms = _terms();
        (terms.token, terms.currency) = (address(dollar), "USD");
        ids[1] = _issueAndConfirm(terms);
        address[3] memory operators = [address(0x0A), address(0x0B), address(0x0C)];
        for (uint256 i = 0; i < 3; ++i) {
            receivables.setOperator(operators[i], OperatorState.Active);
        }
        TestCurrency pound = new TestCurrency("Pound", "tGBP", 2);
        receivables.admitCurrency(address(pound), "GBP", 2, 1);
        terms = _terms();
        (terms.token, terms.currency) = (address(pound), "GBP");
        bytes32 third = _issueAndConfirm(terms);

        receivables.setOperator(operators[0], OperatorState.WindingDown);
        receivables.setOperator(operators[2], OperatorState.None);
        for (uint256 i = 0; i < 2; ++i) {
            Sides memory sides = _sides(supplier, bank);
            sides.currency = receivables.receivable(ids[i]).currency;
            _expectNotOperator(operators[0], sides, ids[i]);
            _expectNotOperator(operators[2], sides, ids[i]);
            _assertSells(operators[1], sides, ids[i], i == 0 ? address(euro) : address(dollar));
        }
        Sides memory last = _sides(supplier, bank);
        last.currency = receivables.receivable(third).currency;
        _expectNotOperator(operators[0], last, third);
        _assertSells(operators[1], last, third, address(pound));
    }

    function test_SetOperator_NoMoreThanSixteenAreActive() public {
        for (uint160 i = 1; i < 16; ++i) {
            receivables.setOperator(address(i), OperatorState.Active);
        }
        vm.expectRevert(IReceivablesEvents.SettingInvalid.selector);
        receivables.setOperator(address(16), OperatorState.Active);
        receivables.setOperator(address(16), OperatorState.WindingDown);
        receivables.setOperator(address(1), OperatorState.None);
        receivables.setOperator(address(16), OperatorState.Active);
        assertTrue(receivables.operatorState(address(16)) == OperatorState.Active, "in its place");
    }

    function _parcel(bytes32 id) private pure returns (Parcel[] memory parcels) {
        parcels = new Parcel[](1);
        parcels[0] = Parcel(id, 10, 10);
    }

    /// What a sale answers is what its operator holds the offer's token to.
    function _assertSells(address operator, Sides memory sides, bytes32 id, address token) private {
        vm.prank(operator);
        (, Settlement currency,) = receivables.sell(sides, false, _parcel(id));
        assertEq(_units(bank, id), 10, "sold");
        assertTrue(currency.isOpenIn(token), "in its currency");
    }

    function _expectNotOperator(address operator, Sides memory sides, bytes32 id) private {
        Parcel[] memory parcels = _parcel(id);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IReceivablesEvents.NotOperator.selector, operator));
        receivables.sell(sides, false, parcels);
    }

    function test_Settings_ByAStranger_Revert() public {
        bytes[5] memory calls = [
            abi.encodeCall(receivables.admitCurrency, (stranger, EUR, 2, 1)),
            abi.encodeCall(receivables.setCurrency, (_euro, false, 1, 180)),
            abi.encodeCall(receivables.setOperator, (stranger, OperatorState.Active)),
            abi.encodeCall(receivables.pause, ()),
            abi.encodeCall(receivables.unpause, ())
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(stranger);
            (bool done, bytes memory answer) = address(receivables).call(calls[i]);
            assertFalse(done, "a stranger's setting");
            assertEq(
                answer,
                abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger),
                "why"
            );
        }
    }
}
