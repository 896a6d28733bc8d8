"""What ``rsvlm info`` says about a raster."""

from typing import Any

from rsvlm.labels import OBJECTS, is_visible, plural_of
from rsvlm.raster import Raster


def describe(raster: Raster) -> dict[str, Any]:
    """Return the facts as JSON-able values: sizes in px, GSD in m/px, degrees."""
    place = raster.georeference
    gsd = raster.gsd
    too_small = [name for name in OBJECTS if not is_visible(name, gsd)]
    return {
        "path": raster.path,
        "width": raster.width,
        "height": raster.height,
        "bands": raster.count,
        "dtype": raster.dtype,
        "nodata": raster.nodata,
        "crs": raster.crs,
        "gsd_m": gsd,
        "bounds_lonlat": place and place.bounds_lonlat(raster.width, raster.height),
        "sensor": raster.sensor,
        "sensor_reason": raster.sensor_reason,
        "band_names": dict(raster.bands),
        "renderings": list(raster.renderings()),
        "can_ask": {
            "describe, classify, yes/no": True,
            "find, count, segment": [n for n in OBJECTS if n not in too_small],
            "too small at this resolution": too_small,
        },
        "warnings": list(raster.warnings),
    }


def lines(facts: dict[str, Any]) -> list[str]:
    """Return the facts as lines for a terminal."""
    bounds = facts["bounds_lonlat"]
    gsd = facts["gsd_m"]
    ask = facts["can_ask"]
    bands = ", ".join(f"{index} {name}" for name, index in facts["band_names"].items())
    out = [
        f"{facts['path']}",
        (
            f"size       {facts['width']} x {facts['height']} px, {facts['bands']} bands, "
            f"{facts['dtype']}"
        ),
        f"CRS        {facts['crs'] or 'none: answers are in pixels'}",
        f"GSD        {f'{gsd:.3g} m/px on the ground' if gsd else 'unknown'}",
        f"bounds     {_degrees(bounds) if bounds else 'unknown'}",
        f"sensor     {facts['sensor']}: {facts['sensor_reason']}",
        f"bands      {bands or 'unnamed'}",
        f"renderings {', '.join(facts['renderings'])}",
        f"can find   {', '.join(map(plural_of, ask['find, count, segment'])) or '-'}",
    ]
    small = ask["too small at this resolution"]
    if small:
        out.append(f"too small  {', '.join(map(plural_of, small))}")
    return out + [f"note       {warning}" for warning in facts["warnings"]]


def _degrees(bounds: list[float]) -> str:
    west, south, east, north = bounds
    return f"lon {west:.4f} to {east:.4f}, lat {south:.4f} to {north:.4f}"
