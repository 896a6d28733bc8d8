"""Replies of a model that are kept, so that the same request is paid for once.

The key is the hash of everything that decides a reply: the model and its revision, the
texts, the pixels of every picture, the settings of the generation and the version of
this file. Only a finished reply at temperature 0 is stored: an error, an empty reply or
a drawn one never is.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from rsvlm.engines.base import Capabilities, Engine
from rsvlm.errors import SettingsError
from rsvlm.messages import Generation, Message

#: Part of every key; one more on any change of what is stored or hashed.
SCHEMA = "rsvlm.response/1"


def request_key(
    engine: Engine,
    messages: Sequence[Message],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    seed: int | None = None,
    stop: Sequence[str] = (),
    model: str = "",
) -> str:
    """Return the SHA-256 of a request, in hexadecimal.

    Args:
        engine: Who is asked; its name, kind and revision count.
        messages: The conversation; pictures count by their pixels and their window.
        max_tokens: Most tokens of the reply.
        temperature: Of the sampling.
        seed: Of the sampling; it does not count at temperature 0.
        stop: Texts that end the reply.
        model: How the user named the model, such as its address.
    """
    parts: list[Any] = []
    for message in messages:
        row: list[Any] = [message.role]
        for part in message.parts:
            if isinstance(part, str):
                row.append(part)
            else:
                box = part.window.box
                row.append(
                    {
                        "pixels": sha256(part.pixels.tobytes()).hexdigest(),
                        "shape": list(part.pixels.shape),
                        "window": [box.x0, box.y0, box.x1, box.y1],
                    }
                )
        parts.append(row)
    fields = {
        "schema": SCHEMA,
        "model": [model, engine.kind, engine.name, engine.revision],
        "messages": parts,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed if temperature > 0 else None,
        "stop": list(stop),
    }
    return sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


class ResponseCache:
    """A SQLite file of replies; several processes and threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            SettingsError: If it is no such file, or cannot be written.
        """
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, closing(self._connect()) as base, base:
                base.execute(
                    "CREATE TABLE IF NOT EXISTS replies"
                    " (key TEXT PRIMARY KEY, reply TEXT NOT NULL)"
                )
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"The cache {str(path)!r} cannot be used: {error}. Delete the file, or "
                "name another with RSVLM_CACHE."
            ) from None

    def _connect(self) -> sqlite3.Connection:
        # Another process may hold the file for a moment.
        return sqlite3.connect(self.path, timeout=30)

    def get(self, key: str) -> Generation | None:
        """Return the stored reply of a request, None where there is none."""
        with self._lock, closing(self._connect()) as base:
            found = base.execute(
                "SELECT reply FROM replies WHERE key = ?", (key,)
            ).fetchone()
        if found is None:
            return None
        fields = json.loads(found[0])
        logprobs = fields.pop("logprobs")
        return Generation(
            **fields, logprobs=None if logprobs is None else tuple(logprobs)
        )

    def put(self, key: str, generation: Generation, temperature: float) -> bool:
        """Store a reply if it may be stored; return whether it was."""
        if not storable(generation, temperature):
            return False
        fields = {
            "text": generation.text,
            "finish_reason": generation.finish_reason,
            "prompt_tokens": generation.prompt_tokens,
            "completion_tokens": generation.completion_tokens,
            "logprobs": generation.logprobs,
        }
        with self._lock, closing(self._connect()) as base, base:
            base.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?)",
                (key, json.dumps(fields)),
            )
        return True

    def __len__(self) -> int:
        with self._lock, closing(self._connect()) as base:
            return int(base.execute("SELECT COUNT(*) FROM replies").fetchone()[0])


def storable(generation: Generation, temperature: float) -> bool:
    """Whether a reply is whole, not empty, and would come again."""
    return (
        temperature == 0
        and bool(generation.text.strip())
        and generation.finish_reason == "stop"
    )


class CachedEngine:
    """An engine that asks the cache first."""

    def __init__(self, engine: Engine, cache: ResponseCache, model: str = "") -> None:
        """Wrap an engine.

        Args:
            engine: Who is asked where the cache has nothing.
            cache: Where replies are kept.
            model: How the user named the model; part of the key.
        """
        self.engine, self.cache, self.model = engine, cache, model
        self.name, self.kind, self.revision = engine.name, engine.kind, engine.revision
        self.capabilities: Capabilities = engine.capabilities
        self.hits = 0

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return the model's reply; see :class:`~rsvlm.engines.base.Engine`."""
        key = request_key(
            self.engine, messages, max_tokens=max_tokens, temperature=temperature,
            seed=seed, stop=stop, model=self.model,
        )  # fmt: skip
        if temperature == 0 and (known := self.cache.get(key)) is not None:
            self.hits += 1
            if on_text is not None:
                on_text(known.text)
            return known
        generation = self.engine.generate(
            messages, max_tokens=max_tokens, temperature=temperature, seed=seed,
            stop=stop, on_text=on_text,
        )  # fmt: skip
        self.cache.put(key, generation, temperature)
        return generation
