"""Keys are hashed, compared whole, and needed wherever others reach the server."""

import base64
import hmac
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from rsvlm.app.server.keys import KeyFile, is_loopback, required_keys, secret_of
from rsvlm.errors import SettingsError, UnknownNameError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings" / "keys.json"


def test_a_key_belongs_to_its_owner_until_it_is_revoked(path: Path) -> None:
    file = KeyFile(path)
    assert file.all() == ()
    first, secret = file.add("ann")
    second, other = file.add("bob")
    assert (file.owner_of(secret), file.owner_of(other)) == ("ann", "bob")
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), "rsvlm-", "é"):
        assert file.owner_of(wrong) is None
    assert file.revoke(first.id) == first
    assert file.owner_of(secret) is None
    assert file.all() == (second,)
    with pytest.raises(UnknownNameError, match=f"Unknown key '{first.id}'"):
        file.revoke(first.id)


def test_a_key_is_not_stored(path: Path) -> None:
    key, secret = KeyFile(path).add("ann")
    text = path.read_text()
    assert secret not in text
    assert secret.removeprefix("rsvlm-") not in text
    assert json.loads(text)["keys"][0]["sha256"] == key.sha256
    assert len(secret) == len("rsvlm-") + 43  # 256 bits
    assert secret not in repr(key)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_only_its_user_reads_the_file(path: Path) -> None:
    KeyFile(path).add("ann")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_all_digests_are_compared_in_constant_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = KeyFile(path)
    secrets = [file.add(name)[1] for name in ("ann", "bob", "cem")]
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def counted(a: str, b: str) -> bool:
        compared.append((a, b))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    assert file.owner_of(secrets[0]) == "ann"
    assert len(compared) == 3  # no early end


def test_a_running_server_sees_changes_of_other_processes(path: Path) -> None:
    server, operator = KeyFile(path), KeyFile(path)
    key, secret = operator.add("ann")
    assert server.owner_of(secret) == "ann"
    operator.revoke(key.id)
    assert server.owner_of(secret) is None
    _, secret = operator.add("ann")
    assert server.owner_of(secret) == "ann"
    path.unlink()
    assert server.owner_of(secret) is None


def test_keys_made_at_the_same_time_are_all_kept(path: Path) -> None:
    threads = [
        threading.Thread(target=KeyFile(path).add, args=(f"owner{n}",))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.owner for key in KeyFile(path).all()} == {f"owner{n}" for n in range(8)}


@pytest.mark.parametrize("owner", ["", "local", "a b", "../x", "session:1", "x" * 65])
def test_names_that_cannot_own_a_key(path: Path, owner: str) -> None:
    with pytest.raises(SettingsError, match="cannot be the owner"):
        KeyFile(path).add(owner)


def test_a_broken_file_lets_nobody_in(path: Path) -> None:
    file = KeyFile(path)
    _, secret = file.add("ann")
    path.write_text('{"keys": [')
    with pytest.raises(SettingsError, match="cannot be read: it is broken"):
        file.owner_of(secret)
    with pytest.raises(SettingsError, match="it is broken"):
        file.add("bob")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot be (written|read)"):
        KeyFile(tmp_path / "file" / "keys.json").add("ann")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("[::1]", True),
        ("localhost", True), ("0.0.0.0", False), ("::", False), ("", False),
        ("10.0.0.1", False), ("gpu-box", False), ("localhost.example.org", False),
    ],
)  # fmt: skip
def test_keys_are_required_off_loopback(host: str, loopback: bool, path: Path) -> None:
    assert is_loopback(host) == loopback
    if loopback:
        assert required_keys(host, path) is None
    else:
        with pytest.raises(SettingsError, match="rsvlm keys add NAME") as caught:
            required_keys(host, path)
        assert "\n" not in str(caught.value)
    KeyFile(path).add("ann")
    assert required_keys(host, path) is not None  # loopback may be behind a proxy


def test_what_an_authorization_header_holds() -> None:
    def basic(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    assert secret_of("Bearer abc") == "abc"
    assert secret_of("bearer  abc ") == "abc"
    assert secret_of(basic("anyone:abc")) == "abc"
    assert secret_of(basic("anyone:a:b")) == "a:b"
    for header in ("", "Bearer", "Bearer ", "abc", "Basic ???", "Basic /w==",
                   basic("abc"), basic("abc:"), "Digest abc"):  # fmt: skip
        assert secret_of(header) is None
