"""Images and masks of upstream data sets: found by name, sized from the header alone.

Paths of samples are relative to the folder of the data set. A name that leads out of
that folder is refused.
"""

from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from rsvlm.errors import ImageError, ParseError
from rsvlm.formats.upstream import is_clutter
from rsvlm.samples import ImageRef, MaskRle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Endings of image files, in the order in which they are tried on a bare name.
ENDINGS = (".png", ".jpg", ".tif", ".jpeg", ".tiff", ".webp", ".jp2")


class Images:
    """The images below a folder."""

    def __init__(
        self,
        root: Path,
        *folders: str,
        sensor: Literal["optical", "sar", "multispectral"] = "optical",
        gsd_m: float | None = None,
    ) -> None:
        """Look below a folder.

        Args:
            root: Folder of the data set.
            folders: Folders of it where images usually lie, tried first; an image is
                found anywhere else by its name as long as that is unique.
            sensor: What the images show.
            gsd_m: Ground size of a pixel, m, where all images share it.
        """
        self.root = root
        # A name that a file gives to a folder must not lead out either.
        inside = (name for name in folders if ".." not in PurePosixPath(name).parts)
        self.folders = ("", *inside)
        self.sensor = sensor
        self.gsd_m = gsd_m
        self._refs: dict[str, ImageRef] = {}

    def ref(self, name: str, where: str) -> ImageRef:
        """Return an image by the name that a data set gives it.

        Args:
            name: File name or path, with or without ending; of an absolute path of
                another machine the last part counts.
            where: Place of the name, for errors.

        Raises:
            ParseError: If there is no such image, or more than one, or its header
                cannot be read.
        """
        if name not in self._refs:
            self._refs[name] = self._opened(self.path(name, where), where)
        return self._refs[name]

    def path(self, name: str, where: str) -> Path:
        """Return where an image lies.

        Raises:
            ParseError: If there is no such image, or more than one.
        """
        clean = PurePosixPath(name.strip().replace("\\", "/"))
        has_drive = bool(clean.parts) and clean.parts[0].endswith(":")
        if clean.is_absolute() or has_drive:
            clean = PurePosixPath(clean.name)
        if ".." in clean.parts or not clean.name:
            raise ParseError(
                f"{where}: the image {name!r} lies outside of the data set. "
                "Correct the name."
            )
        endings = ("",) if clean.suffix.lower() in ENDINGS else ("", *ENDINGS)
        for folder in self.folders:
            for ending in endings:
                path = self.root / folder / f"{clean}{ending}"
                if path.is_file():
                    return path
        return self._indexed(clean, endings, name, where)

    def _indexed(
        self, clean: PurePosixPath, endings: tuple[str, ...], name: str, where: str
    ) -> Path:
        names = (_lowered(clean.name + end) for end in endings)
        hits = [path for name_ in names for path in self._by_name.get(name_, ())]
        if len(hits) > 1:
            # The more of the path agrees, the better.
            tail = clean.with_suffix("").parts
            hits = [p for p in hits if p.with_suffix("").parts[-len(tail) :] == tail]
        if len(hits) == 1:
            return hits[0]
        if hits:
            both = " and ".join(str(p.relative_to(self.root)) for p in hits[:2])
            raise ParseError(
                f"{where}: the image {name!r} may be {both}. Keep one of them."
            )
        raise ParseError(
            f"{where}: there is no image {name!r} below {str(self.root)!r}. "
            "Unpack the images there, or name the folder that holds them."
        )

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        names: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.root.rglob("*")):
            known = path.suffix.lower() in ENDINGS and not is_clutter(path)
            if known and path.is_file():
                names[_lowered(path.name)].append(path)
        return names

    def _opened(self, path: Path, where: str) -> ImageRef:
        width, height = size_of(path, where)
        return ImageRef(
            path=path.relative_to(self.root).as_posix(),
            width=width,
            height=height,
            sensor=self.sensor,
            gsd_m=self.gsd_m,
        )


def _lowered(name: str) -> str:
    """Return a file name with its ending in lower case."""
    pure = PurePosixPath(name)
    return pure.stem + pure.suffix.lower()


def size_of(path: Path, where: str) -> tuple[int, int]:
    """Return width and height of an image in pixels, from its header and its end.

    Raises:
        ParseError: If it is no readable image, or was cut short.
    """
    from rasterio.errors import RasterioError
    from rasterio.windows import Window

    from rsvlm.opening import Limits, open_image, regular_file

    try:
        opened = open_image(regular_file(path), path.name, Limits())
    except ImageError as error:
        raise ParseError(f"{where}: {error}") from None
    size = (int(opened.dataset.width), int(opened.dataset.height))
    try:
        # PNG and JPEG have marks of their end, which the opening has looked for.
        if opened.dataset.driver not in ("PNG", "JPEG"):
            opened.dataset.read(window=Window(size[0] - 1, size[1] - 1, 1, 1))
    except RasterioError:
        raise ParseError(
            f"{where}: the image {path.name!r} ends too early. "
            "Unpack or fetch it again."
        ) from None
    finally:
        opened.close()
    return size


def read_mask(path: Path, image: ImageRef, where: str) -> MaskRle | None:
    """Return the mask of an image file: every value but 0 is the object.

    Args:
        path: Mask image, of one band or more.
        image: The image that it belongs to.
        where: Place of the mask, for errors.

    Returns:
        The mask; None when no pixel is set.

    Raises:
        ParseError: If it is no readable image, or of another size than the image.
    """
    from rasterio.errors import RasterioError

    from rsvlm.opening import Limits, open_image, regular_file

    try:
        opened = open_image(regular_file(path), path.name, Limits())
    except ImageError as error:
        raise ParseError(f"{where}: {error}") from None
    try:
        dataset = opened.dataset
        if (dataset.width, dataset.height) != (image.width, image.height):
            raise ParseError(
                f"{where}: the mask {path.name!r} has {dataset.width} x "
                f"{dataset.height} pixels, its image {image.width} x {image.height}. "
                "Fetch both again."
            )
        pixels = dataset.read()
    except RasterioError:
        raise ParseError(
            f"{where}: the mask {path.name!r} cannot be read. Unpack or fetch it again."
        ) from None
    finally:
        opened.close()
    # A fourth band is opacity, which is set everywhere.
    return encoded(pixels[:3].any(axis=0))


def encoded(array: "NDArray[np.bool_]") -> MaskRle | None:
    """Return a mask as run-length code; None when no pixel is set.

    Args:
        array: The mask, shape (H, W).
    """
    from rsvlm.masks import Mask

    if not array.any():
        return None
    mask = Mask.from_array(array)
    return MaskRle(size=mask.size, counts=mask.counts)
