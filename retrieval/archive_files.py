"""What goes into an archive: files, folders, STAC items and catalogues.

Day, sensor, resolution and licence of a raster come from its STAC item where there is
one, else from the tags of the file, else, for the day, from its name. Links of a
catalogue are followed on this machine only.
"""

import calendar
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.errors import ImageError, SettingsError
from rsvlm.opening import Limits, find_source, open_image
from rsvlm.ranges import Web, is_address
from rsvlm.retrieval.database import StoreError

#: Endings of files that may be rasters.
ENDINGS = frozenset({".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".webp"})
#: Roles of STAC assets that are no rasters to search in.
UNUSED_ROLES = frozenset({"thumbnail", "overview", "metadata", "data-mask"})
#: Types of STAC assets that we open.
TYPES = ("image/tiff", "image/png", "image/jpeg", "image/jp2", "image/webp")
#: TIFF tags that say when a picture was taken, the surest first.
DATE_TAGS = ("ACQUISITION_DATE", "ACQUISITIONDATETIME", "DATE_ACQUIRED",
             "TIFFTAG_DATETIME", "EXIF_DateTimeOriginal")  # fmt: skip

#: A first and a last day, ISO; equal where the day is known.
Days = tuple[str, str]

_DAY = re.compile(
    r"(?<!\d)((?:19|20)\d\d)(?:[-_:.]?(0[1-9]|1[0-2])(?:[-_:.]?(0[1-9]|[12]\d|3[01]))?)?"
    r"(?=T\d|\D|$)"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A raster that is to be indexed.

    Attributes:
        path: The file; a text is an address on another host.
        sensor: As for ``Raster.open``.
        days: When it was taken, where a STAC item says.
        gsd: In m/px, where a STAC item says.
        licence: Where a STAC item says.
        item: Identifier of the STAC item.
    """

    path: Path | str
    sensor: str = "auto"
    days: Days | None = None
    gsd: float | None = None
    licence: str | None = None
    item: str | None = None


def entries(names: Sequence[str], sensor: str = "auto") -> list[Entry]:
    """Return the rasters that files, folders and STAC files name, each once.

    Args:
        names: Rasters, their addresses on other hosts, folders (searched with their
            folders), STAC JSON files.
        sensor: Of the rasters that no STAC item describes.

    Raises:
        SettingsError: If there is no such file, or no raster in it.
        StoreError: If a JSON file is no STAC.
    """
    found: dict[Path | str, Entry] = {}
    for name in names:
        if is_address(name):
            found.setdefault(name, Entry(name, sensor))
            continue
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS)
            new = [Entry(p.resolve(), sensor) for p in inside if p.is_file()]
        elif path.suffix.lower() in (".json", ".geojson"):
            new = list(_stac(path, sensor))
        elif path.is_file():
            new = [Entry(path.resolve(), sensor)]
        else:
            raise SettingsError(
                f"There is no file or folder {name!r}. Give rasters, folders or STAC "
                "JSON files."
            )
        if not new:
            raise SettingsError(
                f"{name!r} holds no raster. Known endings: {', '.join(sorted(ENDINGS))}."
            )
        for entry in new:
            found.setdefault(entry.path, entry)
    return list(found.values())


def days_of(path: Path | str, web: Web | None = None) -> Days | None:
    """Return when a raster was taken, by its tags or else its name.

    A year or a month alone becomes the days that it may have been.
    """
    name = Path(path).stem
    try:
        opened = open_image(*find_source(path, web), Limits())
    except ImageError:
        return days_in(name)
    try:
        tags = {key.upper(): value for key, value in opened.dataset.tags().items()}
    finally:
        opened.close()
    for tag in DATE_TAGS:
        if days := days_in(str(tags.get(tag.upper(), ""))):
            return days
    return days_in(name)


def days_in(text: str) -> Days | None:
    """Return the days that the first date in a text may mean.

    >>> days_in("S2_20201104T183000"), days_in("pucallpa_1985")
    (('2020-11-04', '2020-11-04'), ('1985-01-01', '1985-12-31'))
    """
    match = _DAY.search(text)
    if not match:
        return None
    year, month, day = match.groups()
    first = f"{year}-{month or '01'}-{day or '01'}"
    months = int(month or 12)
    length = calendar.monthrange(int(year), months)[1]
    if day and int(day) > length:
        return None
    return first, f"{year}-{months:02d}-{day or f'{length:02d}'}"


def days_between(text: str) -> Days:
    """Return the days of a filter: a year, month or day, or two with ``/`` between.

    >>> days_between("2020-11"), days_between("2019/..")
    (('2020-11-01', '2020-11-30'), ('2019-01-01', '9999-12-31'))

    Raises:
        SettingsError: If it is none.
    """
    ends = text.split("/")
    parts = [None if end in ("", "..") else days_in(end) for end in ends]
    wrong = len(ends) > 2 or not any(ends)
    for end, part in zip(ends, parts, strict=True):
        wrong |= part is None and end not in ("", "..")
    if wrong:
        raise SettingsError(
            f"{text!r} is no date. Give a year, a month or a day such as 2020-11-04, or "
            "two of them such as 2019/2020-06; one may be left out as '..'."
        )
    first = parts[0][0] if parts[0] else "0000-01-01"
    last = parts[-1][1] if parts[-1] else "9999-12-31"
    return first, last


def _stac(path: Path, sensor: str) -> Iterator[Entry]:
    """Yield the rasters of a STAC item, item collection, collection or catalogue."""
    import pystac

    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("type") == "FeatureCollection":
            items = list(pystac.ItemCollection.from_file(str(path)).items)
        elif record.get("type") == "Feature":
            items = [pystac.Item.from_file(str(path))]
        else:
            items = list(pystac.Catalog.from_file(str(path)).get_items(recursive=True))
    except (
        pystac.STACError,
        pystac.STACTypeError,
        OSError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # its readers raise what they meet
        line = " ".join(str(error).split())[:120]
        raise StoreError(
            f"{str(path)!r} is no STAC item, collection or catalogue that can be read "
            f"here: {type(error).__name__}: {line}. Check it, or give the rasters."
        ) from None
    for item in items:
        yield from _of_item(item, path, sensor)


def _of_item(item: Any, listed_in: Path, sensor: str) -> Iterator[Entry]:
    fields: Mapping[str, Any] = item.properties
    start = fields.get("start_datetime") or item.datetime or fields.get("datetime")
    end = fields.get("end_datetime") or start
    first, last = days_in(str(start or "")), days_in(str(end or ""))
    licence = fields.get("license")
    if licence is None and item.collection_id and item.get_parent() is not None:
        licence = getattr(item.get_parent(), "license", None)
    for asset in item.assets.values():
        media = (asset.media_type or "").split(";")[0].strip()
        if UNUSED_ROLES & set(asset.roles or ()):
            continue
        place = asset.get_absolute_href() or str(listed_in.parent / asset.href)
        path = Path(place.removeprefix("file://"))
        if "://" in str(place.removeprefix("file://")):
            continue  # nothing is fetched
        if media not in TYPES and path.suffix.lower() not in ENDINGS:
            continue
        gsd = asset.extra_fields.get("gsd", fields.get("gsd"))
        yield Entry(
            path.resolve(),
            "sar" if any(key.startswith("sar:") for key in fields) else sensor,
            (first[0], last[1]) if first and last else None,
            float(gsd) if gsd else None,
            licence,
            item.id,
        )
