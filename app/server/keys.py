"""API keys: who may use the server, and whose files are whose.

A key is 256 random bits; the file of keys holds its SHA-256 only. A slow hash such as
scrypt protects words that people choose, and would add nothing to 256 bits. The server
reads the file anew when it changes, so that a revoked key ends at once.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from rsvlm.cache import lock, write_json
from rsvlm.errors import SettingsError, UnknownNameError

#: Owner of everything where no keys are needed.
LOCAL = "local"
#: What keys begin with, so that scanners for leaked secrets can tell them.
PREFIX = "rsvlm-"
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Key(BaseModel):
    """What is kept of a key.

    .. versionadded:: 0.2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="names the key to its operator; not secret")
    owner: str = Field(description="whose files, quotas and answers they are")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    created: datetime


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["rsvlm.keys/1"] = "rsvlm.keys/1"
    keys: tuple[Key, ...] = ()


class KeyFile:
    """The file of keys.

    Attributes:
        path: Where it lies; it need not exist.

    .. versionadded:: 0.2
    """

    def __init__(self, path: Path) -> None:
        """Refer to a file; it is read when it is needed."""
        self.path = path
        self._stamp: tuple[int, ...] = ()
        self._keys: tuple[Key, ...] = ()

    def all(self) -> tuple[Key, ...]:
        """Return the keys, oldest first.

        Raises:
            SettingsError: If the file cannot be read.
        """
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                content = _Keys.model_validate_json(self.path.read_bytes())
                self._stamp, self._keys = stamp, content.keys
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is broken"
            raise SettingsError(
                f"The file of keys {str(self.path)!r} cannot be read: {reason}. "
                "Restore it, or remove it and make new keys: rsvlm keys add."
            ) from error
        return self._keys

    def add(self, owner: str) -> tuple[Key, str]:
        """Make a key.

        Args:
            owner: Whose it is. Keys of the same owner see the same files, so that a
                key can be replaced.

        Returns:
            What is kept of the key, and the key itself, which is kept nowhere.

        Raises:
            SettingsError: If the name cannot be one, or the file cannot be written.
        """
        if not _OWNER.fullmatch(owner) or owner == LOCAL:
            raise SettingsError(
                f"{owner!r} cannot be the owner of a key. Take up to 64 letters, "
                f"digits, '.', '_' and '-', and another name than {LOCAL!r}."
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        key = Key(
            id=f"key-{secrets.token_hex(4)}",
            owner=owner,
            sha256=_digest(secret),
            created=datetime.now(UTC).replace(microsecond=0),
        )
        with self._change() as keys:
            self._write((*keys, key))
        return key, secret

    def revoke(self, key_id: str) -> Key:
        """Remove a key; the files of its owner stay.

        Raises:
            UnknownNameError: If there is no such key.
            SettingsError: If the file cannot be read or written.
        """
        with self._change() as keys:
            known = {key.id: key for key in keys}
            if key_id not in known:
                raise UnknownNameError("key", key_id, known)
            self._write(tuple(key for key in keys if key.id != key_id))
        return known[key_id]

    def owner_of(self, secret: str) -> str | None:
        """Return whose key this is, or None if it is none.

        How long it takes says nothing about how much of a key is right: digests are
        compared, all of them, each in constant time.
        """
        digest = _digest(secret)
        owner = None
        for key in self.all():
            if hmac.compare_digest(key.sha256, digest):
                owner = key.owner
        return owner

    @contextmanager
    def _change(self) -> Iterator[tuple[Key, ...]]:
        """Hold a lock, so that no change is lost to another process."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with lock(self.path.with_name(f".{self.path.name}.lock")):
                yield self.all()
        except OSError as error:
            raise SettingsError(
                f"The file of keys {str(self.path)!r} cannot be written: "
                f"{error.strerror}. Name another with --keys or RSVLM_KEYS."
            ) from error

    def _write(self, keys: tuple[Key, ...]) -> None:
        write_json(self.path, _Keys(keys=keys).model_dump(mode="json"))
        self.path.chmod(0o600)


def default_key_file() -> Path:
    """Return where keys are kept unless another place is named."""
    own = os.environ.get("RSVLM_KEYS")
    folder = Path(click.get_app_dir("rsvlm"))
    return Path(own).expanduser() if own else folder / "keys.json"


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a server on this host."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def required_keys(host: str, path: Path) -> KeyFile | None:
    """Return the keys that a server needs, or None if it needs none.

    It needs keys where other machines reach it, and wherever there are some: a server
    on loopback may stand behind a proxy.

    Args:
        host: What it listens on.
        path: File of keys.

    Raises:
        SettingsError: If it needs keys and there are none.

    .. versionadded:: 0.2
    """
    file = KeyFile(path)
    if file.all():
        return file
    if is_loopback(host):
        return None
    raise SettingsError(
        f"Other machines reach a server on {host!r}, and there are no API keys. "
        "Make one with: rsvlm keys add NAME, or serve on --host 127.0.0.1."
    )


def secret_of(authorization: str) -> str | None:
    """Return the key in an Authorization header, or None if it holds none.

    ``Bearer KEY`` is what API clients send. ``Basic`` with the key as password, under
    any name, is what a browser sends with every request to the page once it was asked.
    """
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return text.partition(":")[2] or None
    return None


def owner(request: Request) -> str:
    """Return who sends a request, as the gate found out; a FastAPI dependency."""
    found: str = request.state.owner
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
