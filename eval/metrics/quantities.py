"""Numbers with units: read from answers and compared by relative error.

Answers such as "12.51mm" are what word overlap is meaningless for. A number in another
unit of the same kind is converted; a unit of another kind is wrong; a unit that one
side leaves out is granted, since questions often name it.
"""

import re
import unicodedata
from dataclasses import dataclass

from rsvlm.eval.metrics.vqa import canonicalise, normalise

#: Unit -> (kind, factor, offset): value in the kind's base = factor * value + offset.
_UNITS = {
    "mm": ("length", 0.001, 0.0),
    "cm": ("length", 0.01, 0.0),
    "m": ("length", 1.0, 0.0),
    "km": ("length", 1000.0, 0.0),
    "m2": ("area", 1.0, 0.0),
    "ha": ("area", 1e4, 0.0),
    "km2": ("area", 1e6, 0.0),
    "%": ("percent", 1.0, 0.0),
    "deg": ("angle", 1.0, 0.0),
    "c": ("temperature", 1.0, 0.0),
    "k": ("temperature", 1.0, -273.15),
    "m/s": ("speed", 1.0, 0.0),
    "km/h": ("speed", 1 / 3.6, 0.0),
    "w/m2": ("irradiance", 1.0, 0.0),
    "hpa": ("pressure", 100.0, 0.0),
    "kpa": ("pressure", 1000.0, 0.0),
    "pa": ("pressure", 1.0, 0.0),
    "mm/day": ("rate", 1.0, 0.0),
    "g": ("mass", 0.001, 0.0),
    "kg": ("mass", 1.0, 0.0),
    "t": ("mass", 1000.0, 0.0),
    "db": ("level", 1.0, 0.0),
}
#: Other spellings, after normalisation (which turns a squared sign into a 2).
_SPELLINGS = {
    **dict.fromkeys(("millimeter", "millimetre", "millimeters", "millimetres"), "mm"),
    **dict.fromkeys(("centimeter", "centimetre", "centimeters", "centimetres"), "cm"),
    **dict.fromkeys(("meter", "metre", "meters", "metres"), "m"),
    **dict.fromkeys(("kilometer", "kilometre", "kilometers", "kilometres"), "km"),
    **dict.fromkeys(("m^2", "sqm", "sq m", "square meters", "square metres"), "m2"),
    **dict.fromkeys(("km^2", "sq km", "square kilometers", "square kilometres"), "km2"),
    **dict.fromkeys(("hectare", "hectares"), "ha"),
    **dict.fromkeys(("percent", "per cent"), "%"),
    **dict.fromkeys(("\u00b0c", "degrees celsius", "celsius"), "c"),
    **dict.fromkeys(("kelvin",), "k"),
    **dict.fromkeys(("\u00b0", "degrees", "degree"), "deg"),
    **dict.fromkeys(("w/m^2", "w m-2"), "w/m2"),
    **dict.fromkeys(("kilogram", "kilograms"), "kg"),
    **dict.fromkeys(("tonne", "tonnes"), "t"),
}
_NAMES = sorted([*_UNITS, *_SPELLINGS], key=len, reverse=True)
_QUANTITY = re.compile(
    r"(?<![\w.])([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?)"
    rf"(?:\s*({'|'.join(map(re.escape, _NAMES))})(?![\w^/]))?"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and its unit.

    Attributes:
        value: The number, in ``unit``.
        unit: Short name of the unit; None where none is known.
    """

    value: float
    unit: str | None = None

    @property
    def kind(self) -> str | None:
        """What is measured; None without a unit."""
        return _UNITS[self.unit][0] if self.unit else None

    @property
    def base(self) -> float:
        """The value in the base unit of its kind."""
        if self.unit is None:
            return self.value
        _, factor, offset = _UNITS[self.unit]
        return factor * self.value + offset


def quantities(text: str | None) -> list[Quantity]:
    """Return every number of a text with its unit, in reading order.

    >>> quantities("From 0.5 km\u00b2 to 1,200 ha")
    [Quantity(value=0.5, unit='km2'), Quantity(value=1200.0, unit='ha')]
    """
    flat = unicodedata.normalize("NFKC", text or "").lower().replace("\u2212", "-")
    found = []
    for match in _QUANTITY.finditer(flat):
        unit = _SPELLINGS.get(match[2], match[2]) if match[2] else None
        found.append(Quantity(float(match[1].replace(",", "")), unit))
    return found


def read_quantity(text: str | None, kind: str | None = None) -> Quantity | None:
    """Return the one number of a reply; None when there is none, or several.

    Args:
        text: The reply; number words up to twenty are read as well.
        kind: Where several numbers stand, only those in units of this kind count.

    >>> read_quantity("The albedo of May 2019 is 0.21") is None
    True
    >>> read_quantity("In May 2019 it rained 12 mm", kind="length")
    Quantity(value=12.0, unit='mm')
    """
    found = quantities(text) or quantities(canonicalise(text or ""))
    if len(found) > 1 and kind is not None:
        found = [quantity for quantity in found if quantity.kind == kind]
    return found[0] if len(found) == 1 else None


def is_near(prediction: str | None, answer: str, tolerance: float = 0.1) -> bool | None:
    """Return whether a reply is near the true number.

    Args:
        prediction: The reply, None where there is none.
        answer: The true number, with or without a unit.
        tolerance: Largest error, as a share of the true number; not included.

    Returns:
        True or False; None where the answer is no single number, so that the rule does
        not apply.

    >>> is_near("1.25 cm", "12.51mm"), is_near("12.5 km", "12.51mm")
    (True, False)
    >>> is_near("three", "many") is None
    True
    """
    truth = _whole(answer)
    if truth is None:
        return None
    said = read_quantity(prediction, truth.kind)
    if said is None:
        return False
    if said.kind is None or truth.kind is None:
        given, true = said.value, truth.value
    elif said.kind == truth.kind:
        given, true = said.base, truth.base
    else:
        return False
    error = abs(given - true)
    return error < tolerance * abs(true) or error == 0.0


def _whole(answer: str) -> Quantity | None:
    """Return the quantity that an answer consists of; None with words beside it."""
    text = normalise(answer).replace("\u2212", "-")
    match = _QUANTITY.fullmatch(text) or _QUANTITY.fullmatch(canonicalise(answer))
    if match is None:
        return None
    unit = _SPELLINGS.get(match[2], match[2]) if match[2] else None
    return Quantity(float(match[1].replace(",", "")), unit)
