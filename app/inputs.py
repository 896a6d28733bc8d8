"""Images as the command line names them: files, sample scenes, addresses on other hosts."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rsvlm.raster import Raster

_Command = TypeVar("_Command", bound=Callable[..., Any])


def allow_host(command: _Command) -> _Command:
    """Add the option that names hosts: the parameter ``hosts``."""
    return click.option(
        "--allow-host", "hosts", multiple=True, metavar="HOST[:PORT]",
        envvar="RSVLM_ALLOW_HOSTS", show_envvar=True,
        help="Read images of this host too, by http(s), in parts. Can be given again.",
    )(command)  # fmt: skip


def open_input(
    name: str, sensor: str = "auto", hosts: Collection[str] = ()
) -> "Raster":
    """Open an image.

    Args:
        name: A path, the name of a sample scene, or an address.
        sensor: As for ``Raster.open``.
        hosts: Hosts that may be read from.

    Raises:
        ImageError: If it cannot be opened, or its host is not allowed.
        AssetError: If the scene cannot be fetched.
        UnknownNameError: If there is no such sensor.
    """
    from rsvlm.app.samples import image_path
    from rsvlm.ranges import Web
    from rsvlm.raster import Raster

    return Raster.open(image_path(name), sensor, web=Web.of(hosts))
