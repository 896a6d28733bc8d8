"""What one check of ``rsvlm doctor`` reports, and how libraries are tried out.

A library that is broken may take the interpreter down with it, so imports are tried
in a child process.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fault"]

_TIMEOUT = 180.0  # seconds; a cold disk makes the first import of torch slow


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check.

    ``fix`` repairs the finding and returns one sentence on what it changed; it is
    None where only the user can decide. It raises OSError where it cannot.

    .. versionadded:: 0.1
    """

    name: str
    status: Status
    found: str
    advice: str = ""
    fix: Callable[[], str] | None = None


def try_out(code: str, timeout: float = _TIMEOUT) -> tuple[bool, str]:
    """Run Python code in a child process.

    Returns:
        Whether it ended well, and the last line it printed (or of its error).
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {timeout:.0f} s"
    except OSError as error:
        return False, str(error)
    if done.returncode < 0:
        return False, f"ended by signal {-done.returncode}"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode == 0, " ".join(lines[-1].split())[:300] if lines else ""


def pip(*arguments: str) -> None:
    """Run pip.

    Raises:
        OSError: If it fails; the message is its last line.
    """
    command = [sys.executable, "-P", "-m", "pip", *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise OSError(f"pip {arguments[0]} failed: {lines[-1]}")
