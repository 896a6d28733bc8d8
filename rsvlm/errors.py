"""Errors a user can act on.

Each message says what was wrong, shows the value, and names the next step.
Anything that is not an :class:`RsvlmError` is a bug and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class RsvlmError(Exception):
    """Base class; the command line prints its message and exits with status 1."""


class UnknownNameError(RsvlmError, KeyError):
    """Raised when a table has no entry of the requested name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Describe the missing entry.

        Args:
            kind: What was looked up, in the singular, such as ``"metric"``.
            name: The name that was asked for.
            known: Every name that would have been accepted.
        """
        self.kind, self.name, self.known = kind, name, sorted(known)
        close = get_close_matches(name, self.known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(
            f"Unknown {kind} {name!r}.{hint} Known: {', '.join(self.known)}."
        )

    def __str__(self) -> str:
        return str(self.args[0])


class ParseError(RsvlmError, ValueError):
    """Raised when a text does not hold what its format requires."""


class ImageError(RsvlmError):
    """Raised when an image cannot be opened, is refused, or cannot be decoded."""


class AssetError(RsvlmError):
    """Raised when a pretrained file or sample image cannot be fetched or verified."""


class CheckpointError(RsvlmError):
    """Raised when a checkpoint folder is missing, incomplete or inconsistent."""


class SettingsError(RsvlmError, ValueError):
    """Raised when an option or a config file holds a value that cannot be used."""


class EngineError(RsvlmError):
    """Raised when the engine that runs the model fails or gives no answer.

    Attributes:
        status: What a record of predictions says of it.
    """

    status: ClassVar[str] = "error"


class EngineTimeoutError(EngineError):
    """Raised when a served model does not answer in time."""

    status = "timeout"


class EngineEmptyError(EngineError):
    """Raised when a served model answers nothing."""

    status = "empty"


class EngineRefusedError(EngineError):
    """Raised when a served model, or the filter before it, refuses to answer."""

    status = "refused"


class StoppedError(RsvlmError):
    """Raised in the middle of work that its caller no longer wants."""

    def __init__(self, message: str = "The question was stopped.") -> None:
        super().__init__(message)


class MissingExtraError(RsvlmError, ImportError):
    """Raised when a command needs a package that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        """Name the package and the pip command that installs it."""
        super().__init__(
            f"This needs the package {package!r}, which is not installed. "
            f"Run: pip install 'rsvlm[{extra}]'."
        )
