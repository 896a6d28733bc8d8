"""Pictures a second of the optical encoder: ours, and plain forwards of the same trunk.

Run: ``python benchmarks/encoder_throughput.py``. Ours is
:func:`rsvlm.models.encoder.encode_pictures`: weights in the type that this processor
multiplies fastest, micro-batches, no autocast. The peer is what one writes first: all
pictures in one forward, under autocast to bfloat16. A plain float32 forward stands
beside it, since on a processor without products in bfloat16 autocast is emulated and
the ratio to it says little. Machines differ and are noisy: the three take turns, and
ratios within a round count. Where other work runs beside, threads wait for each other
and only the ratio in time of the processor, with ``--threads 1``, can be trusted.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from rsvlm.models.encoder import MICRO_BATCH, encode, encode_pictures, frozen_encoder
from rsvlm.models.precision import fast_dtype

#: The last block: all of the trunk runs.
LAYERS = (12,)
#: Side of a picture in px -> pictures of a round.
SIZES: Mapping[int, int] = {224: 16, 448: 8}
OURS, AUTOCAST, FLOAT32 = "rsvlm", "plain autocast bfloat16", "plain float32"


def ways(asset: str) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the ways to encode pictures, each with weights of its own."""
    own = frozen_encoder(asset)
    whole = frozen_encoder(asset).float()

    def autocast(pixels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return plain(whole, pixels)

    return {
        OURS: lambda pixels: encode_pictures(own, pixels, LAYERS),
        AUTOCAST: autocast,
        FLOAT32: lambda pixels: plain(whole, pixels),
    }


@torch.no_grad()
def plain(encoder: nn.Module, pixels: Tensor) -> Tensor:
    """Encode all pictures in one forward."""
    return encode(encoder, pixels, LAYERS)


def measure(
    paths: Mapping[str, Callable[[Tensor], Tensor]], side: int, count: int, rounds: int
) -> None:
    """Let the ways take turns at pictures of one size and print what they reach."""
    pixels = torch.randn(count, 3, side, side, generator=torch.manual_seed(0))
    rates: dict[str, list[float]] = {name: [] for name in paths}
    busy: dict[str, list[float]] = {name: [] for name in paths}
    found: dict[str, Tensor] = {}
    for path in paths.values():
        path(pixels[:1])  # allocates what is allocated once
    for _ in range(rounds):
        for name, path in paths.items():
            start, before = time.perf_counter(), time.process_time()
            found[name] = path(pixels)
            rates[name].append(count / (time.perf_counter() - start))
            busy[name].append(time.process_time() - before)
    print(f"{side} px, {count} pictures, {rounds} rounds")
    for name, values in rates.items():
        ratio = ""
        if name != OURS:
            faster = [x / y for x, y in zip(rates[OURS], values, strict=True)]
            less = [y / x for x, y in zip(busy[OURS], busy[name], strict=True)]
            ratio = (
                f"   rsvlm is {statistics.median(faster):.2f} x as fast"
                f" ({min(faster):.2f} to {max(faster):.2f}),"
                f" in time of the processor {statistics.median(less):.2f} x"
            )
        print(f"  {name:24} {statistics.median(values):7.2f} img/s{ratio}")
    gap = float((found[OURS].float() - found[FLOAT32]).abs().max())
    print(f"  largest difference of rsvlm to plain float32: {gap:.1e}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--asset", default="dinov2-s", help="trunk to run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    kind = str(fast_dtype()).removeprefix("torch.")
    print(
        f"{options.asset}, {options.threads} threads, our weights in {kind}, "
        f"micro-batches of {MICRO_BATCH}"
    )
    if fast_dtype() is torch.float32:
        print(
            "This processor has no products in bfloat16: autocast emulates them, so the "
            "ratio to it is large. It says nothing of processors with AMX."
        )
    paths = ways(options.asset)
    for side, count in SIZES.items():
        measure(paths, side, count, options.rounds)


if __name__ == "__main__":
    main()
