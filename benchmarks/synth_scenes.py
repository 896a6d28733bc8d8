"""How fast scenes are drawn: optical and radar scenes a second, on one core.

Run: ``python benchmarks/synth_scenes.py [--scenes 64] [--rounds 3]``. A scene is drawn,
rendered, labelled and encoded, as ``rsvlm data build`` takes it; what a process makes once
(random fields) is made before. Printed are the median of the rounds and their range.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from rsvlm.data_engine.records import Record
from rsvlm.data_engine.sources import synth

KINDS: dict[str, Callable[[int], Record]] = {
    "optical": synth.optical_record,
    "radar": synth.sar_record,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=64, help="of each kind")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for name, record in KINDS.items():
        for index in range(16):  # every layout twice
            record(index)
        rates, pixels = [], 0
        for _ in range(given.rounds):
            start = time.perf_counter()
            done = [record(16 + index) for index in range(given.scenes)]
            rates.append(given.scenes / (time.perf_counter() - start))
            pixels = sum(one.width * one.height for one in done)
        print(
            f"{name}: {statistics.median(rates):.1f} scenes/s "
            f"({min(rates):.1f} to {max(rates):.1f}), "
            f"{pixels / given.scenes / 1e6:.2f} megapixels a scene"
        )


if __name__ == "__main__":
    main()
