"""The address of a served model, with its settings."""

import pytest
from pydantic import ValidationError

from rsvlm.engines.remote_settings import RemoteSettings, key_for, read_settings
from rsvlm.errors import SettingsError, UnknownNameError


@pytest.mark.parametrize(
    ("text", "url", "model"),
    [
        ("http://h:8000/v1#Qwen/Qwen3-VL-8B", "http://h:8000/v1", "Qwen/Qwen3-VL-8B"),
        (" https://h/v1/ ", "https://h/v1", ""),
        ("http://h/v1#", "http://h/v1", ""),
        ("http://[::1]:8/v1#a#b?c=d", "http://[::1]:8/v1", "a#b?c=d"),
        ("http://h?timeout=3#m", "http://h", "m"),
    ],
)
def test_addresses(text: str, url: str, model: str) -> None:
    settings = read_settings(text)
    assert (settings.url, settings.model) == (url, model)


def test_settings_stand_in_the_query() -> None:
    settings = read_settings(
        "http://h/v1?dialect=geochat&timeout=2.5&retries=0&concurrency=3&max_side=448"
        "&max_images=2&max_tokens=9&max_megabytes=1.5&sensors=optical,%20sar#m"
    )
    assert settings == RemoteSettings(
        url="http://h/v1",
        model="m",
        dialect="geochat",
        timeout=2.5,
        retries=0,
        concurrency=3,
        max_side=448,
        max_images=2,
        max_tokens=9,
        max_megabytes=1.5,
        sensors=frozenset({"optical", "sar"}),
    )
    assert read_settings("http://h/v1#m").dialect is None


@pytest.mark.parametrize(
    "text",
    ["", "tiny", "host:8000/v1", "ftp://h/v1#m", "http://#m", "http:///v1", "://x"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SettingsError, match=r"Write http://127\.0\.0\.1:8000/v1#Qwen"):
        read_settings(text)


@pytest.mark.parametrize("text", ["http://h:99999/v1#m", "http://[::1/v1#m"])
def test_what_is_a_broken_address(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a URL"):
        read_settings(text)


@pytest.mark.parametrize("login", ["user:s3cret@", "s3cret@", ":s3cret@"])
def test_passwords_are_refused_and_not_shown(login: str) -> None:
    with pytest.raises(SettingsError, match="RSVLM_API_KEY") as caught:
        read_settings(f"http://{login}h/v1#m")
    assert "s3cret" not in str(caught.value)


def test_unknown_settings_and_dialects_are_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'timeout'"):
        read_settings("http://h/v1?timeot=3#m")
    with pytest.raises(UnknownNameError, match="Did you mean 'geochat'"):
        read_settings("http://h/v1?dialect=geochart#m")
    for name in ("url", "model"):
        with pytest.raises(UnknownNameError):
            read_settings(f"http://h/v1?{name}=x#m")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("timeout=soon", "timeout='soon'.*seconds a try may take"),
        ("retries=-1", "retries='-1'"),
        ("max_side=", "max_side=''"),
        ("concurrency=0", "concurrency='0'"),
        ("retries=1&retries=2", "stands twice"),
    ],
)
def test_values_that_cannot_be_used(query: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(f"http://h/v1?{query}#m")


def test_settings_are_checked_when_made_in_code_as_well() -> None:
    with pytest.raises(ValidationError):
        RemoteSettings(url="http://h", tries=3)  # type: ignore[call-arg]


def test_keys_go_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RSVLM_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert key_for(read_settings("https://api.openai.com/v1#m")) == "sk-1"
    for other in ("http://h/v1#m", "https://api.openai.com.evil.org/v1#m"):
        assert key_for(read_settings(other)) == "none"
    monkeypatch.setenv("RSVLM_API_KEY", "ours")
    assert key_for(read_settings("http://h/v1#m")) == "ours"
