"""Lets the Auto classes of Transformers know our models once rsvlm is imported.

``import rsvlm`` must stay quick, so nothing is imported here: the moment at which
somebody imports the Auto classes is waited for.
"""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_TRIGGER = "transformers.models.auto.modeling_auto"


class AutoClassesFinder:
    """Waits on the import path for the module of the Auto classes."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the module's own spec, with our registration after it."""
        if name != _TRIGGER:
            return None
        sys.meta_path[:] = [f for f in sys.meta_path if f is not AutoClassesFinder]
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _register() -> None:
    # Our own modules import Transformers too; they register themselves when they are
    # whole (rsvlm.models.checkpoint).
    if not any(name.startswith("rsvlm.models.") for name in sys.modules):
        from rsvlm.models.register import register

        register()


def install() -> None:
    """Prepare the next import of the Auto classes, or register with them at once.

    Takes microseconds where Transformers is not loaded.

    .. versionadded:: 0.2
    """
    if _TRIGGER in sys.modules:
        _register()
    elif AutoClassesFinder not in sys.meta_path:
        sys.meta_path.insert(0, AutoClassesFinder)
