"""``rsvlm keys``: made, listed and revoked; the key is shown once."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rsvlm.app.cli import main
from rsvlm.app.server.keys import KeyFile


def test_add_list_revoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    monkeypatch.setenv("RSVLM_KEYS", str(path))
    runner = CliRunner()
    empty = runner.invoke(main, ["keys", "list"])
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "rsvlm keys add NAME" in empty.stderr
    added = runner.invoke(main, ["keys", "add", "ann"])
    secret = added.stdout.strip()  # nothing but the key, for scripts
    assert KeyFile(path).owner_of(secret) == "ann"
    assert secret not in added.stderr
    key = KeyFile(path).all()[0]
    listed = runner.invoke(main, ["keys", "list"])
    assert listed.stdout == f"{key.id}  {key.created:%Y-%m-%d}  ann\n"
    record = json.loads(runner.invoke(main, ["keys", "list", "--json"]).stdout)[0]
    assert set(record) == {"id", "owner", "created"}
    revoked = runner.invoke(main, ["keys", "revoke", key.id])
    assert revoked.exit_code == 0
    assert KeyFile(path).owner_of(secret) is None


def test_errors_are_one_line(tmp_path: Path) -> None:
    path = str(tmp_path / "keys.json")
    wrong = CliRunner().invoke(main, ["keys", "add", "a b", "--keys", path])
    assert (wrong.exit_code, wrong.output.count("\n")) == (1, 1)
    gone = CliRunner().invoke(main, ["keys", "revoke", "key-1", "--keys", path])
    assert gone.exit_code == 1
    assert gone.output.startswith("Error: Unknown key 'key-1'.")
