"""Lets the Auto classes of Transformers know our models once rsvlm is imported.

``import rsvlm`` must stay quick, so nothing is imported here: the moment at which
somebody has imported the Auto classes is waited for.
"""

import sys
import threading
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

#: Every module of the Auto classes imports this one.
_TRIGGER = "transformers.models.auto.configuration_auto"
#: Modules that ours need; while one of them is imported, ours cannot be.
_WATCHED = ("transformers.", "rsvlm.models.")


class _Depth(threading.local):
    """How many watched modules this thread is importing, one inside the other."""

    value = 0


_depth = _Depth()


class AutoClassesFinder:
    """Waits on the import path until the Auto classes are there and nothing is half."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the module's own spec, with our registration after it."""
        if not name.startswith(_WATCHED):
            return None
        others = (finder for finder in sys.meta_path if finder is not AutoClassesFinder)
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                _depth.value += 1
                try:
                    execute(module)
                finally:
                    _depth.value -= 1
                if not _depth.value and _TRIGGER in sys.modules:
                    _register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _register() -> None:
    sys.meta_path[:] = [f for f in sys.meta_path if f is not AutoClassesFinder]
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
