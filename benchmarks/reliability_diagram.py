"""Draws how often regions of a confidence are right, from a run of ``vhr10-detect``.

Run: ``python benchmarks/reliability_diagram.py RUN OUT.svg``; RUN is the folder of
``rsvlm eval run -b vhr10-detect``. The area of a dot is its share of the regions.
"""

import argparse
import json
import re
from pathlib import Path

from rsvlm.eval.charts import lines

#: Colours of a page of its own, for the variables of the report's pages.
COLOURS = {"--c1": "#1f6feb", "--grid": "#d0d7de", "--dim": "#6e7781"}


def drawn(metrics: Path) -> str:
    """Return the picture of the protocol ``region-ece``."""
    found = json.loads(metrics.read_text(encoding="utf-8"))["protocols"]
    result = next(one for one in found if one["protocol"] == "region-ece")
    bins = result["plots"]["reliability"]
    total = sum(bins["count"])
    svg = lines(
        {"regions": list(zip(bins["confidence"], bins["accuracy"], strict=True))},
        "Confidence of regions and share that is right",
        f"confidence (error {result['value']:.3f}, {total} regions)",
        "share that is right",
        diagonal=True,
        sizes=[number / total for number in bins["count"]],
    )
    for name, colour in COLOURS.items():
        svg = svg.replace(f"var({name})", colour)
    svg = re.sub(r"var\(--[\w-]+\)", "#24292f", svg)
    frame = '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" '
    return svg.replace("<svg ", frame, 1)


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    picture = drawn(options.run / "vhr10-detect" / "metrics.json")
    options.out.write_text(picture + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
