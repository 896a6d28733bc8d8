"""Which OpenStreetMap tags are worth a question: a table from tags to words.

A feature takes the first row that fits it. A row says what the feature is called, how it
may be asked for (``count``: things that stand apart; ``area``: ground that covers), and
how large it must be to be seen.

Source:
    Tags by the OpenStreetMap wiki; use of tags for captions: SkyScript,
    https://arxiv.org/abs/2312.12856; RSTeller, https://arxiv.org/abs/2408.14744.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["count", "area", "line"]


@dataclass(frozen=True, slots=True)
class Row:
    """What a feature with certain tags is.

    Attributes:
        label: Its name, in the singular.
        tags: Tags it must have; ``*`` is any value but ``no``, ``|`` separates values.
        kind: How it may be asked for.
        least_m: Length below which it is nothing to ask about, m.
    """

    label: str
    tags: Mapping[str, str]
    kind: Kind = "count"
    least_m: float = 4.0

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Whether a feature with these tags is meant."""
        return all(
            (found := tags.get(key)) is not None
            and (found != "no" if values == "*" else found in values.split("|"))
            for key, values in self.tags.items()
        )


#: Rows in the order in which they are tried: what is special comes first.
ROWS = (
    Row("tennis court", {"leisure": "pitch", "sport": "tennis"}, least_m=11),
    Row("basketball court", {"leisure": "pitch", "sport": "basketball"}, least_m=15),
    Row("baseball diamond", {"leisure": "pitch", "sport": "baseball|softball"}, least_m=40),
    Row("soccer field", {"leisure": "pitch", "sport": "soccer|football"}, least_m=30),
    Row("ground track field", {"leisure": "track"}, least_m=70),
    Row("stadium", {"leisure": "stadium"}, least_m=70),
    Row("swimming pool", {"leisure": "swimming_pool"}, least_m=5),
    Row("golf course", {"leisure": "golf_course"}, "area", 200),
    Row("playground", {"leisure": "playground"}, least_m=10),
    Row("marina", {"leisure": "marina"}, "area", 50),
    Row("park", {"leisure": "park|garden"}, "area", 40),
    Row("storage tank", {"man_made": "storage_tank|silo"}, least_m=5),
    Row("storage tank", {"building": "storage_tank|silo"}, least_m=5),
    Row("pier", {"man_made": "pier"}, least_m=15),
    Row("breakwater", {"man_made": "breakwater|groyne"}, least_m=20),
    Row("bridge", {"man_made": "bridge"}, least_m=20),
    Row("bridge", {"bridge": "yes|viaduct", "highway": "*"}, least_m=20),
    Row("wastewater plant", {"man_made": "wastewater_plant"}, "area", 60),
    Row("solar farm", {"power": "plant", "plant:source": "solar"}, "area", 60),
    Row("wind turbine", {"power": "generator", "generator:source": "wind"}),
    Row("power substation", {"power": "substation"}, least_m=20),
    Row("runway", {"aeroway": "runway"}, least_m=300),
    Row("taxiway", {"aeroway": "taxiway"}, "line", 50),
    Row("apron", {"aeroway": "apron"}, "area", 60),
    Row("hangar", {"aeroway": "hangar"}, least_m=15),
    Row("helipad", {"aeroway": "helipad"}, least_m=8),
    Row("airport", {"aeroway": "aerodrome"}, "area", 300),
    Row("parking lot", {"amenity": "parking"}, least_m=20),
    Row("school", {"amenity": "school|college|university"}, "area", 40),
    Row("hospital", {"amenity": "hospital"}, "area", 40),
    Row("church", {"building": "church|cathedral|chapel"}, least_m=10),
    Row("greenhouse", {"building": "greenhouse"}, least_m=8),
    Row("house", {"building": "house|detached|bungalow|semidetached_house"}, least_m=6),
    Row("industrial building", {"building": "industrial|warehouse|factory"}, least_m=12),
    Row("building", {"building": "*"}, least_m=6),
    Row("roundabout", {"junction": "roundabout"}, least_m=15),
    Row("motorway", {"highway": "motorway|trunk"}, "line", 40),
    Row("road", {"highway": "primary|secondary|tertiary|unclassified|residential"}, "line", 40),
    Row("railway", {"railway": "rail|light_rail"}, "line", 40),
    Row("quarry", {"landuse": "quarry"}, "area", 60),
    Row("landfill", {"landuse": "landfill"}, "area", 60),
    Row("cemetery", {"landuse": "cemetery"}, "area", 40),
    Row("vineyard", {"landuse": "vineyard"}, "area", 50),
    Row("orchard", {"landuse": "orchard"}, "area", 50),
    Row("farmland", {"landuse": "farmland"}, "area", 60),
    Row("meadow", {"landuse": "meadow|grass"}, "area", 40),
    Row("forest", {"landuse": "forest"}, "area", 50),
    Row("forest", {"natural": "wood"}, "area", 50),
    Row("residential area", {"landuse": "residential"}, "area", 80),
    Row("industrial area", {"landuse": "industrial"}, "area", 80),
    Row("commercial area", {"landuse": "commercial|retail"}, "area", 60),
    Row("reservoir", {"landuse": "reservoir"}, "area", 40),
    Row("pond", {"natural": "water", "water": "pond"}, least_m=12),
    Row("river", {"natural": "water", "water": "river|canal"}, "area", 40),
    Row("lake", {"natural": "water", "water": "lake"}, "area", 40),
    Row("water body", {"natural": "water"}, "area", 30),
    Row("wetland", {"natural": "wetland"}, "area", 50),
    Row("beach", {"natural": "beach"}, "area", 40),
    Row("river", {"waterway": "river|canal"}, "line", 60),
    Row("stream", {"waterway": "stream"}, "line", 60),
)  # fmt: skip

#: Labels by how they may be asked for.
KINDS: Mapping[str, Kind] = {row.label: row.kind for row in reversed(ROWS)}
#: Tags that a detailed caption adds, and how; the value stands in the braces. All can
#: be seen: a name in a caption would teach to make up names.
DETAILS: Mapping[str, str] = {
    "surface": "with a surface of {}",
    "lanes": "with {} lanes",
    "roof:shape": "with a {} roof",
    "substance": "holding {}",
    "content": "holding {}",
    "crop": "growing {}",
    "leaf_type": "of {} trees",
}


def row_of(tags: Mapping[str, str]) -> Row | None:
    """Return the row that a feature's tags fit, None where none does.

    >>> row_of({"leisure": "pitch", "sport": "tennis"}).label
    'tennis court'
    >>> row_of({"building": "no"}) is None
    True
    """
    return next((row for row in ROWS if row.fits(tags)), None)


def detail(tags: Mapping[str, str]) -> str:
    """Return what a detailed caption says of a feature beside its label, or "".

    >>> detail({"name": "Court 1", "surface": "clay", "lanes": "2"})
    'with a surface of clay with 2 lanes'
    """
    said = [
        form.format(tags[key].replace("_", " ").replace(";", " and "))
        for key, form in DETAILS.items()
        if tags.get(key)
    ]
    return " ".join(said[:2])
