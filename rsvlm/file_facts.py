"""Questions that the file answers: size, ground, resolution, CRS, place, bands, sensor.

"How large is the area shown?" asks for no object, and a language model would guess. What
the georeference, the bands and the type of a file tell is said as it is; what they do
not tell is said to be unknown.
"""

import re
from collections.abc import Callable, Sequence

from rsvlm.measures import length_text
from rsvlm.questions import IMAGE, plain
from rsvlm.raster import Raster
from rsvlm.replies import area_text

#: The image as a whole; "the area" alone may be one that was spoken of before.
_WHOLE = (
    rf"(?:(?:the |this |that )?(?:{IMAGE}|file|geotiff|data ?set|footprint)"
    r"|(?:the |this )?(?:whole |entire |full )?(?:area|ground|land|region|extent|scene)"
    r" (?:that )?(?:is )?(?:shown|seen|covered|imaged|depicted|here|in view)"
    rf"(?: (?:here|(?:in|by|on) (?:the |this )?{IMAGE}))?)"
)
_ASK = r"(?:what|which)(?: is| are| was)? (?:the )?"
_OF = (
    rf"(?: (?:of|does|do|is|has|have|in|for) {_WHOLE}(?: (?:have|use|used|in|cover))?)?"
)


def _extent(raster: Raster) -> str:
    place = raster.georeference
    if place is None:
        return (
            f"{raster.width} x {raster.height} px; its size on the ground is not known, "
            "since the file has no CRS"
        )
    wide = place.distance_m((0, raster.height / 2), (raster.width, raster.height / 2))
    high = place.distance_m((raster.width / 2, 0), (raster.width / 2, raster.height))
    return (
        f"{length_text(wide, True)} from west to east and {length_text(high, True)} from "
        f"north to south, {area_text(wide * high, 0)}"
    )


def _resolution(raster: Raster) -> str:
    gsd = raster.gsd
    if gsd is None:
        return "the ground size of a pixel is not known, since the file has no CRS"
    return f"a pixel is {length_text(gsd, True)} wide on the ground"


def _place(raster: Raster) -> str:
    place = raster.georeference
    bounds = place and place.bounds_lonlat(raster.width, raster.height)
    if not bounds:
        return "its place is not known, since the file has no CRS"
    west, south, east, north = bounds
    return f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f} (WGS 84)"


def _bands(raster: Raster) -> str:
    names = ", ".join(f"{index} {name}" for name, index in raster.bands.items())
    count = f"{raster.count} band{'s' * (raster.count != 1)} of {raster.dtype}"
    return f"{count}: {names}" if names else count


def _dimensions(raster: Raster) -> str:
    return f"{raster.width} columns and {raster.height} rows of pixels"


def _crs(raster: Raster) -> str:
    return raster.crs or "it has no CRS"


def _sensor(raster: Raster) -> str:
    return f"{raster.sensor}, by this sign: {raster.sensor_reason}"


#: What a file tells -> the questions that ask for it, whole.
_FACTS: dict[Callable[[Raster], str], tuple[str, ...]] = {
    _extent: (
        rf"how (?:large|big|wide|long|high|much|extensive) (?:is|are|was) {_WHOLE}",
        (
            rf"how much (?:ground|land|area|surface|terrain) (?:does|do|is|are) {_WHOLE}"
            r" (?:cover(?:ed)?|shown?)"
        ),
        (
            rf"{_ASK}(?:ground |total |whole )?(?:area|extent|size|footprint|width|swath)"
            rf" (?:of|does|is covered by) {_WHOLE}(?: (?:cover|have|span))?"
        ),
        rf"what area (?:does|is) {_WHOLE} (?:cover|show|span)(?: .*)?",
    ),
    _resolution: (
        (
            rf"{_ASK}(?:spatial |ground |image |native )*(?:resolution|gsd|ground sampl\w+ "
            rf"distance|pixel (?:size|spacing)|size of (?:a|one|each) pixel|scale){_OF}"
        ),
        r"how (?:large|big|wide) is (?:a|one|each) pixel(?: .*)?",
        r"how many (?:m|metres|meters)(?: are there)?(?: per| in| to a| a) pixel",
    ),
    _dimensions: (
        rf"{_ASK}(?:dimensions?|(?:image )?size in pixels|pixel dimensions?){_OF}",
        r"how many (?:pixels|megapixels|rows|columns|rows and columns)(?: .*)?",
    ),
    _crs: (
        (
            rf"{_ASK}(?:crs|epsg(?: code)?|projection|(?:spatial|coordinate) reference"
            rf"(?: system)?|coordinate system|map projection){_OF}"
        ),
    ),
    _place: (
        (
            rf"{_ASK}(?:lat/lon|coordinates|geographic coordinates|bounds|bounding box"
            rf"|corners|corner coordinates|latitude and longitude){_OF}"
        ),
        (
            rf"where(?: on (?:the )?earth| in the world)? (?:is|was|lies) (?:{_WHOLE}|this)"
            r"(?: taken| located| situated)?"
        ),
    ),
    _bands: (
        (
            r"(?:what|which|how many)(?: are the| spectral)? (?:bands|channels)"
            rf"(?: (?:does|do|are|has) {_WHOLE}(?: have| contain)?| are there(?: .*)?)?{_OF}"
        ),
    ),
    _sensor: (
        (
            r"(?:what|which) (?:kind|type|sort) of (?:image|imagery|picture|sensor|data)"
            r"(?: (?:is|was) (?:this|it|used))?"
        ),
        rf"(?:what|which) sensor (?:is|was|took|made)(?: {_WHOLE}| (?:it|this|used))?",
    ),
}
_FORMS = {
    fact: re.compile(rf"(?:{'|'.join(forms)})[ ?.!]*") for fact, forms in _FACTS.items()
}


def file_fact(question: str, rasters: Sequence[Raster]) -> str | None:
    """Return what the files tell, where that is all that is asked for.

    Args:
        question: What the user wrote.
        rasters: Opened images.

    Returns:
        A sentence for each image; None where the question asks for something else.

    .. versionadded:: 0.2
    """
    text = plain(question)
    tell = next((fact for fact, form in _FORMS.items() if form.fullmatch(text)), None)
    if tell is None:
        return None
    if len(rasters) == 1:
        said = tell(rasters[0])
        return f"{said[0].upper()}{said[1:]}."
    return " ".join(
        f"Image {number} ({raster.name}): {tell(raster)}."
        for number, raster in enumerate(rasters, start=1)
    )
