"""``rsvlm doctor``: find out what on this machine will not work, and repair it.

Checks are functions without arguments; after a repair the same function runs again,
so that the report shows what is the case and not what was attempted.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from rsvlm.app import doctor_machine as machine
from rsvlm.app import doctor_packages as packages
from rsvlm.app.advisories import advisories
from rsvlm.app.doctor_check import Check

__all__ = ["Check", "checks", "run"]

#: In the order of the report.
CHECKS: tuple[Callable[[], Check], ...] = (
    *(machine.python, machine.processor, machine.threads),
    *(packages.torch, packages.torchvision, packages.torchaudio),
    *(packages.torchcodec, packages.faiss, packages.vllm),
    *(packages.bounds, packages.compatible, advisories, machine.links),
    *(machine.cache, machine.fetched),
)

_COLOURS = {"ok": "green", "warn": "yellow", "fault": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A check, and what repairing it changed or why it could not be repaired."""

    check: Check
    changed: str = ""


def checks() -> list[Check]:
    """Run every check, repairing nothing.

    .. versionadded:: 0.1
    """
    return [check() for check in CHECKS]


def findings(fix: bool) -> Iterator[Finding]:
    """Run every check in turn, repairing what can be repaired if asked to."""
    for function in CHECKS:
        check = function()
        if not fix or check.status == "ok" or check.fix is None:
            yield Finding(check)
            continue
        try:
            changed = check.fix()
        except OSError as error:
            yield Finding(check, f"Could not be repaired: {str(error).rstrip('.')}.")
        else:
            yield Finding(function(), changed)


def run(fix: bool = False, as_json: bool = False) -> int:
    """Print a report to stdout.

    Args:
        fix: Repair what can be repaired.
        as_json: Print one JSON object in place of the table.

    Returns:
        Exit status: 1 if a fault remains, else 0.

    .. versionadded:: 0.1
    """
    done: list[Finding] = []
    width = 14
    for finding in findings(fix):
        done.append(finding)
        check = finding.check
        if as_json:
            continue
        status = click.style(f"{check.status:<6}", fg=_COLOURS[check.status])
        click.echo(f"{status}{check.name:<{width}} {check.found}")
        for line in (finding.changed, check.advice):
            if line:
                click.echo(f"{'':<6}{'':<{width}} -> {line}")
    faults = sum(finding.check.status == "fault" for finding in done)
    repairable = any(f.check.fix and f.check.status != "ok" for f in done)
    if as_json:
        click.echo(json.dumps(_record(done), indent=2))
    elif faults or repairable:
        hint = " Run: rsvlm doctor --fix." if repairable and not fix else ""
        click.echo(f"{faults} fault{'' if faults == 1 else 's'} found.{hint}")
    else:
        click.echo("No faults found.")
    return 1 if faults else 0


def _record(done: list[Finding]) -> dict[str, object]:
    return {
        "schema": "rsvlm.doctor/1",
        "ok": all(finding.check.status != "fault" for finding in done),
        "checks": [
            {
                "name": finding.check.name,
                "status": finding.check.status,
                "found": finding.check.found,
                "advice": finding.check.advice,
                "repairable": finding.check.fix is not None,
                "changed": finding.changed,
            }
            for finding in done
        ],
    }
