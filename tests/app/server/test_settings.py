"""Settings of the server: file, environment, command line."""

from pathlib import Path

import pytest

from rsvlm.app.server.settings import SERVED_ELSEWHERE, read_settings
from rsvlm.errors import SettingsError, UnknownNameError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "serve.toml"
    path.write_text('port = 1\nname = "a"\nmodel = "x"\n[gate]\nmax_queue = 3\n')
    return path


def test_later_sources_win(config: Path) -> None:
    environment = {
        "RSVLM_SERVE_NAME": "b", "RSVLM_SERVE_MODEL": "y", "OTHER": "z",
        "RSVLM_SERVE_GATE__HOSTS": "a.example,b.example",
    }  # fmt: skip
    found = read_settings(config, environment, {"model": "z", "host": None})
    assert (found.port, found.name, found.model) == (1, "b", "z")
    assert found.gate.max_queue == 3
    assert found.gate.hosts == ("a.example", "b.example")


def test_defaults_are_safe() -> None:
    found = read_settings(environment={})
    assert found.host == "127.0.0.1"
    assert found.files.hosts == ()
    assert found.gate.origins == ()


def test_an_engine_elsewhere_answers_many_at_a_time() -> None:
    local = read_settings(environment={}, given={"engine": "local"})
    served = read_settings(environment={}, given={"engine": "vllm"})
    chosen = read_settings(
        environment={"RSVLM_SERVE_GATE__MAX_RUNNING": "4"}, given={"engine": "vllm"}
    )
    assert local.limits.max_running < served.limits.max_running == SERVED_ELSEWHERE
    assert chosen.limits.max_running == 4


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("prot = 1", UnknownNameError, "Did you mean 'port'"),
        ("[gate]\nmax_que = 1", UnknownNameError, "Did you mean 'max_queue'"),
        ("port = -1", SettingsError, "port = '-1' cannot be used"),
        ("port = ", SettingsError, "not TOML"),
    ],
)
def test_wrong_settings_are_named(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    path = tmp_path / "serve.toml"
    path.write_text(text)
    with pytest.raises(error, match=message):
        read_settings(path, {})


def test_a_missing_file_and_a_value_in_place_of_a_table(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path / "no.toml", {})
    with pytest.raises(SettingsError, match="no table"):
        read_settings(environment={"RSVLM_SERVE_PORT": "1", "RSVLM_SERVE_PORT__A": "1"})
