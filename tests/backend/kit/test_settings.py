import pytest

from backend.kit.settings import SettingsError, load


def test_reads_the_environment_and_takes_overrides():
    settings = load(
        {"TALLYSTICK_RPC_URLS": "http://a, http://b", "TALLYSTICK_PORT": "8123", "HOME": "/"}, host="::1"
    )

    assert settings.rpc_urls == ("http://a", "http://b")
    assert settings.port == 8123
    assert settings.host == "::1"


def test_reports_all_problems_at_once_and_no_secret():
    with pytest.raises(SettingsError) as caught:
        load(
            {
                "TALLYSTICK_PORT": "99999",
                "TALLYSTICK_FINALITY_BLOCKS": "-1",
                "TALLYSTICK_RELAYER_PASWORD": "hunter2",
                "TALLYSTICK_ENVIRONMENT": "staging",
            }
        )

    message = str(caught.value)
    for name in ("PORT", "FINALITY_BLOCKS", "RELAYER_PASWORD: no such setting", "ENVIRONMENT"):
        assert f"TALLYSTICK_{name}" in message
    assert "hunter2" not in message


def test_secrets_are_not_printed():
    settings = load({"TALLYSTICK_DATABASE_URL": "postgresql://u:hunter2@h/d"})

    assert "hunter2" not in repr(settings)
    assert settings.database_url.get_secret_value().endswith("hunter2@h/d")


@pytest.mark.parametrize(
    "shortcut",
    [{"RELAYER_DEVELOPMENT_KEY": "0x01"}, {"LOCAL_CHAIN": "true"}, {"ALLOW_PRIVATE_WEBHOOKS": "1"}],
)
def test_production_refuses_development_shortcuts(shortcut: dict[str, str]):
    given = {f"TALLYSTICK_{name}": value for name, value in shortcut.items()}
    load(given)

    with pytest.raises(SettingsError, match="refused in production"):
        load(given | {"TALLYSTICK_ENVIRONMENT": "production"})
