"""What the georeference of an image tells: its centre, the size of pixels and scene."""

from collections.abc import Sequence

from rsvlm.raster import Raster
from rsvlm.retrieval.asked import Asked
from rsvlm.retrieval.facts_words import Told
from rsvlm.retrieval.knowledge import Near
from rsvlm.retrieval.passages import Passage, point
from rsvlm.retrieval.sources_world import degrees


def scene_passage(raster: Raster) -> Passage | None:
    """Return what a file says of its place; None where it says nothing."""
    place = raster.georeference
    gsd = raster.gsd
    if place is None or gsd is None:
        return None
    ((lon, lat),) = place.lonlat([(raster.width / 2, raster.height / 2)])
    middle = raster.height / 2
    wide = place.distance_m((0, middle), (raster.width, middle))
    side = raster.width / 2
    high = place.distance_m((side, 0), (side, raster.height))
    return Passage(
        text=f"{raster.name}: {raster.width} x {raster.height} pixels in "
        f"{raster.crs}, centre at {degrees(float(lon), float(lat))} (WGS 84), a pixel is "
        f"{metres(gsd)} on the ground, the scene {metres(wide)} from west to east and "
        f"{metres(high)} from north to south.",
        title=raster.name,
        source=f"georeference of {raster.name}",
        licence="that of the image",
        kind="scene",
        place=point(float(lon), float(lat)),
        facts={
            "lon": float(lon), "lat": float(lat), "pixel_m": gsd,
            "width_m": wide, "height_m": high,
        },
    )  # fmt: skip


def scene_fact(asked: Asked, rasters: Sequence[Raster]) -> Told:
    """Return the sentence on centre, pixel size or width of the first image."""
    passage = scene_passage(rasters[0])
    if passage is None:
        return Told(
            f"No evidence found: {rasters[0].name} has no CRS that places it on the "
            "Earth.",
            nothing=True,
        )
    facts = passage.facts
    near = (Near(0, passage, 0.0),)
    if asked.what == "position":
        centre = degrees(float(facts["lon"]), float(facts["lat"]))
        return Told(f"The centre of the scene lies at {centre} (WGS 84) {{0}}.", near)
    if asked.what == "pixel":
        size = metres(float(facts["pixel_m"]))
        return Told(f"A pixel is {size} wide on the ground {{0}}.", near)
    wide, high = (metres(float(facts[key])) for key in ("width_m", "height_m"))
    return Told(
        f"The scene is {wide} wide from west to east and {high} high {{0}}.", near
    )


def metres(length: float) -> str:
    """Return a length in words.

    >>> metres(8.309), metres(25524.0), metres(0.1)
    ('8.31 m', '25.5 km', '10 cm')
    """
    if length >= 1000:
        return f"{length / 1000:.3g} km"
    return f"{length:.3g} m" if length >= 1 else f"{length * 100:.3g} cm"
