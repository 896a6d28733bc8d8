"""``rsvlm keys``: API keys of ``rsvlm serve``."""

from typing import Any

import click


def _file(command: Any) -> Any:
    return click.option(
        "--keys", "path", type=click.Path(dir_okay=False), envvar="RSVLM_KEYS",
        help="File of keys.  [default: keys.json in the folder of user settings]",
    )(command)  # fmt: skip


@click.group()
def keys() -> None:
    """API keys of the server."""


@keys.command("add")
@click.argument("owner")
@_file
def add(owner: str, path: str | None) -> None:
    """Make a key for OWNER and print it, this once.

    Several keys of one OWNER see the same files and share quotas, so that a key can be
    replaced. A server that started with keys takes the new one at once.
    """
    key, secret = _open(path).add(owner)
    click.echo(f"{key.id} of {owner}. Keep the key: only its hash is stored.", err=True)
    click.echo(secret)


@keys.command("list")
@_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def list_keys(path: str | None, as_json: bool) -> None:
    """List the keys: id, owner, day of making."""
    found = _open(path).all()
    if as_json:
        import json

        fields = {"id", "owner", "created"}
        records = [key.model_dump(mode="json", include=fields) for key in found]
        click.echo(json.dumps(records))
        return
    for key in found:
        click.echo(f"{key.id}  {key.created:%Y-%m-%d}  {key.owner}")
    if not found:
        click.echo("There are no keys. Make one with: rsvlm keys add NAME.", err=True)


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@_file
def revoke(key_id: str, path: str | None) -> None:
    """Remove the key ID (rsvlm keys list); a running server refuses it at once."""
    key = _open(path).revoke(key_id)
    click.echo(f"{key.id} of {key.owner} is revoked. The files of {key.owner} stay.")


def _open(path: str | None) -> Any:
    from pathlib import Path

    from rsvlm.app.server.keys import KeyFile, default_key_file

    return KeyFile(Path(path) if path else default_key_file())
