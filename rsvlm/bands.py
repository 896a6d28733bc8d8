"""Names of bands: what a band is called, and which one a description means.

Common names are those of the STAC ``eo`` extension, in lower case, and polarisations,
in upper case. A word that files use for a band is an entry of :data:`WORDS`; an order
of bands that files leave unnamed is one of :data:`ORDERS`.
"""

import re
from collections.abc import Mapping, Sequence

#: Common name of a band -> centre wavelength in micrometres, None for radar and gray.
BANDS: dict[str, float | None] = {
    "coastal": 0.443,
    "blue": 0.490,
    "green": 0.560,
    "yellow": 0.600,
    "red": 0.665,
    "rededge": 0.720,
    "rededge071": 0.705,
    "rededge075": 0.740,
    "rededge078": 0.783,
    "nir": 0.842,
    "nir08": 0.865,
    "nir09": 0.945,
    "cirrus": 1.375,
    "swir16": 1.610,
    "swir22": 2.190,
    "lwir": 11.0,
    "gray": None,
    "VV": None,
    "VH": None,
    "HH": None,
    "HV": None,
    "backscatter": None,
}

POLARISATIONS = ("VV", "VH", "HH", "HV")

_S2 = ("coastal", "blue", "green", "red", "rededge071", "rededge075", "rededge078")
_S2_NUMBERS = dict(
    zip(
        ("1", "2", "3", "4", "5", "6", "7", "8", "8a", "9", "10", "11", "12"),
        (*_S2, "nir", "nir08", "nir09", "cirrus", "swir16", "swir22"),
        strict=True,
    )
)
_OLI = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
_OLI_NUMBERS = {str(i): name for i, name in enumerate(_OLI, start=1)}
_TM = ("blue", "green", "red", "nir", "swir16", "swir22")
_TM_NUMBERS = dict(zip(("1", "2", "3", "4", "5", "7"), _TM, strict=True))

#: Number of unnamed bands -> whose order they are taken to have, and that order.
ORDERS: dict[int, tuple[str, tuple[str, ...]]] = {
    3: ("colour pictures", ("red", "green", "blue")),
    4: ("NAIP", ("red", "green", "blue", "nir")),
    6: ("Landsat 7 bands 1, 2, 3, 4, 5, 7", _TM),
    7: ("Landsat 8 bands 1 to 7", _OLI),
    10: (
        "the 10 m and 20 m bands of Sentinel-2",
        (*_S2[1:], "nir", "nir08", "swir16", "swir22"),
    ),
    12: ("Sentinel-2 L2A", (*_S2, "nir", "nir08", "nir09", "swir16", "swir22")),
    13: ("Sentinel-2 L1C", tuple(_S2_NUMBERS.values())),
}

#: Other words for a band, lower case without separators -> common name.
WORDS = {name.lower(): name for name, wavelength in BANDS.items() if wavelength} | {
    "coastalaerosol": "coastal",
    "aerosol": "coastal",
    "nearinfrared": "nir",
    "nir1": "nir",
    "nir8": "nir",
    "nir8a": "nir08",
    "narrownir": "nir08",
    "swir1": "swir16",
    "swir2": "swir22",
    "rededge1": "rededge071",
    "rededge2": "rededge075",
    "rededge3": "rededge078",
    "watervapour": "nir09",
    "watervapor": "nir09",
    "grey": "gray",
    "gray": "gray",
    "pan": "gray",
    "panchromatic": "gray",
    "tir": "lwir",
    "thermal": "lwir",
}

_POLARISATION = re.compile(r"(?<![a-z0-9])(vv|vh|hh|hv)(?![a-z0-9])")
_RADAR = re.compile(
    r"(?<![a-z0-9])(sar|s1[abcd]?|sentinel-?1[abcd]?|gf-?3|gaofen-?3|radarsat|palsar|"
    r"terrasar|iceye|capella|umbra|cosmo-?skymed|grdh?|slc|sigma0|gamma0|backscatter)"
    r"(?![a-z0-9])"
)
_OLI_SIGN = re.compile(r"(?<![a-z0-9])(lc0[89]|landsat[- ]?[89]|sr b\d)")
_TM_SIGN = re.compile(r"(?<![a-z0-9])(l[te]0[4-7]|landsat[- ]?[4-7])")


def band_names(descriptions: Sequence[str | None], told: str = "") -> dict[str, int]:
    """Read band descriptions.

    Args:
        descriptions: What the file calls each band.
        told: Other text of the file, lower case with blanks for underscores; it says
            whose band numbers ``B1, B2, ...`` are. Sentinel-2 where it does not.

    Returns:
        Common name -> 1-based index of the first band that has it.

    >>> band_names(["B4", "B8A", "VH_dB", "Near Infrared", "mask"])
    {'red': 1, 'nir08': 2, 'VH': 3, 'nir': 4}
    """
    text = " ".join([told, *(d or "" for d in descriptions)]).lower().replace("_", " ")
    numbers = _S2_NUMBERS
    if _TM_SIGN.search(text):
        numbers = _TM_NUMBERS
    elif _OLI_SIGN.search(text):
        numbers = _OLI_NUMBERS
    names: dict[str, int] = {}
    for index, description in enumerate(descriptions, start=1):
        name = _common_name(description or "", numbers)
        if name is not None:
            names.setdefault(name, index)
    return names


def _common_name(description: str, numbers: Mapping[str, str]) -> str | None:
    lowered = description[:200].lower().replace("_", " ")
    if polarisation := polarisation_in(lowered):
        return polarisation
    joined = re.sub(r"[^a-z0-9]+", "", lowered)
    for word in (joined, *re.findall(r"[a-z]+\d*a?", lowered)):
        if word in WORDS:
            return WORDS[word]
    band = re.fullmatch(r"(?:sr|toa|st)?(?:band|b)0?(\d{1,2}a?)", joined)
    return numbers.get(band[1]) if band else None


def polarisation_in(told: str) -> str | None:
    """Return the first polarisation that a lower-case text names, such as ``"VH"``."""
    found = _POLARISATION.search(told)
    return found[1].upper() if found else None


def radar_word_in(told: str) -> str | None:
    """Return the first word of a lower-case text that only radar products carry."""
    found = _RADAR.search(told) or _POLARISATION.search(told)
    return found[1] if found else None
