import pytest
from cme_kit.settings import ServiceSettings, SettingsError

ENVIRONMENT = {
    "CME_PUBLIC_URL": "http://cme.test",
    "CME_JWKS_URL": "http://cme.test/oauth/jwks",
    "CME_MONGO_URL": "mongodb://user:secret@db.test",
    "CME_NATS_URL": "nats://bus.test",
    "CME_NATS_USER": "enrolment",
    "CME_NATS_PASSWORD": "secret",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def test_settings_come_from_the_environment() -> None:
    settings = ServiceSettings.load()

    assert settings.public_url == "http://cme.test"
    assert settings.port == 8080


def test_tokens_come_from_the_issuer_of_their_api_unless_another_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ServiceSettings.load().issuer == "http://cme.test"

    monkeypatch.setenv("CME_PUBLIC_URL", "http://cme.test/sandbox")
    monkeypatch.setenv("CME_ISSUER", "http://cme.test")

    assert ServiceSettings.load().issuer == "http://cme.test"


def test_a_missing_address_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CME_PUBLIC_URL")

    with pytest.raises(SettingsError, match="public_url"):
        ServiceSettings.load()


def test_an_unknown_key_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CME_PROT", "9000")

    with pytest.raises(SettingsError, match="CME_PROT"):
        ServiceSettings.load()


def test_a_wrong_value_is_refused_without_telling_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CME_PORT", "a secret typed in the wrong place")

    with pytest.raises(SettingsError, match="port") as refused:
        ServiceSettings.load()

    assert "secret" not in str(refused.value)


def test_the_copies_of_a_stream_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CME_NATS_REPLICAS", "3")

    assert ServiceSettings.load().nats_replicas == 3


@pytest.mark.parametrize("copies", ["2", "many"])
def test_copies_that_elect_nobody_are_refused(copies: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CME_NATS_REPLICAS", copies)

    with pytest.raises(SettingsError, match="nats_replicas"):
        ServiceSettings.load()
