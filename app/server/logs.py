"""What the server writes to its log: no bodies, no keys, no paths of this machine.

One line a request comes from :mod:`rsvlm.app.server.middleware`. Lines of libraries
pass the formatter of this file, which cuts keys and paths out of them and shows an
exception as the places in the code that it passed.
"""

import logging
from typing import Any

from rsvlm.app.server.errors import places, public


class SafeFormatter(logging.Formatter):
    """Formats a record without what a log must not hold."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line = f"{self.formatTime(record)} {record.levelname} {record.name} "
        try:
            line += public(record.getMessage())
        except (TypeError, ValueError):  # arguments that do not fit: a library's bug
            line += "[a message that cannot be shown]"
        error = record.exc_info[1] if record.exc_info else None
        return f"{line} {places(error)}" if error is not None else line


def log_config(level: str = "INFO") -> dict[str, Any]:
    """Return a logging configuration for uvicorn and the rest of the process.

    Args:
        level: Least serious level that is shown.

    .. versionadded:: 0.2
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"safe": {"()": SafeFormatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "safe",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "rsvlm": {"level": level},
            "uvicorn": {"level": level, "handlers": [], "propagate": True},
            # Its lines hold whole addresses, and those may hold anything.
            "uvicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }
