"""Compiled vLLM against the engine in this process: the same questions, more at a time.

Run: ``python benchmarks/vllm_throughput.py`` in an environment that holds vLLM
(``make .venv-serve/installed``), or with ``--python`` of one. Prints seconds and, because
machines differ and are noisy, ratios to the local engine in the same run, which is
measured before and after.

64 questions about eight pictures that no cache knows are asked, then 64 others about the
same pictures. Each level of concurrency gets pictures of its own: one pixel is changed,
which no cache forgives and no encoder feels.
"""

import argparse
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from rsvlm.app.samples import image_path
from rsvlm.app.vllm_server import VllmServer
from rsvlm.app.vllm_settings import VllmSettings
from rsvlm.engines.base import Engine
from rsvlm.engines.local import LocalEngine
from rsvlm.engines.remote import RemoteEngine
from rsvlm.engines.remote_settings import read_settings
from rsvlm.messages import Message
from rsvlm.models.export import exported
from rsvlm.models.precision import fast_dtype
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.tasks import TASKS

FIRST = (
    ("caption", "Describe this image."), ("classify", "What kind of scene is this?"),
    ("vqa", "Are there any airplanes?"), ("vqa", "Is there a harbor?"),
    ("count", "How many ships are there?"), ("count", "How many vehicles are there?"),
    ("ground", "Where are the storage tanks?"), ("vqa", "What is in the middle?"),
)  # fmt: skip
THEN = (
    ("caption", "Write one sentence about this picture."),
    ("vqa", "Is it a residential area?"), ("vqa", "Are there any tennis courts?"),
    ("vqa", "Is there a bridge?"), ("count", "How many airplanes are there?"),
    ("count", "How many tennis courts are there?"),
    ("ground", "Where are the baseball diamonds?"), ("vqa", "What is at the top?"),
)  # fmt: skip
Asked = list[tuple[Message, ...]]


@dataclass
class Timed:
    """Wall time of a batch, and of the first words of each reply, in seconds."""

    seconds: float
    first: float
    texts: list[str]


def pictures(data: Path, count: int) -> list[View]:
    """Return views of training pictures of VHR-10, or of the sample scenes."""
    tar = data / "vhr10" / "images_train.tar"
    if not tar.is_file():
        print(f"{tar} is not there: parts of sample scenes instead", file=sys.stderr)
        with Raster.open(image_path("wye-mills")) as raster:
            whole = raster.preview(1344)
        return [
            replace(whole, pixels=whole.pixels[y:, y:].copy()) for y in range(count)
        ]
    views = []
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(tar) as members:
        for member in members.getmembers()[: count * 40 : 40]:
            members.extract(member, scratch, filter="data")
            with Raster.open(Path(scratch) / member.name) as raster:
                views.append(raster.preview(1344))
    return views


def questions(
    views: Sequence[View], asked: Sequence[tuple[str, str]], mark: int
) -> Asked:
    """Return every question about every picture; pictures with another mark are new."""
    out: Asked = []
    for view in views:
        pixels = view.pixels.copy()
        pixels[0, 0] = mark
        marked = replace(view, pixels=pixels)
        for task, words in asked:
            out.append((Message("user", (marked, TASKS[task].prompt(words))),))
    return out


def run(engine: Engine, asked: Asked, at_a_time: int) -> Timed:
    """Ask all questions, so many at a time."""

    def one(messages: tuple[Message, ...]) -> tuple[float, str]:
        start, seen = time.perf_counter(), list[float]()
        reply = engine.generate(
            messages,
            max_tokens=64,
            on_text=lambda _: seen.append(time.perf_counter() - start),
        )
        return seen[0] if seen else time.perf_counter() - start, reply.text

    start = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        done = list(pool.map(one, asked))
    seconds = time.perf_counter() - start
    return Timed(seconds, statistics.median(f for f, _ in done), [t for _, t in done])


def marks() -> Iterator[int]:
    """Yield values that make pictures new."""
    yield from range(1, 255)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="of the vLLM")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--pictures", type=int, default=8, help="with 8 questions each")
    parser.add_argument("--eager", action="store_true", help="do not compile")
    options = parser.parse_args()
    dtype = str(fast_dtype()).removeprefix("torch.")
    folder = exported("tiny", "float32", say)
    views, mark = pictures(options.data, options.pictures), marks()
    local = LocalEngine("tiny")
    settings = VllmSettings(
        python=options.python,
        compiled=not options.eager,
        max_num_seqs=max(options.levels),
    )
    start = time.perf_counter()
    with VllmServer(folder, settings, say=say) as server:
        ready = time.perf_counter() - start
        address = f"{server.url}?dialect=rsvlm&concurrency=64&retries=0#{server.name}"
        served = RemoteEngine(read_settings(address), server.key)
        run(served, questions(views[:1], FIRST, next(mark)), 8)  # the first is slow
        before = both(local, views, next(mark), 1)
        levels = {n: both(served, views, next(mark), n) for n in options.levels}
        after = both(local, views, next(mark), 1)
        ten = [(t, w) for t, w in (*FIRST, *THEN)][:10]
        about_one = [run(served, [q], 1) for q in questions(views[:1], ten, next(mark))]
        about_ten = [run(served, questions(views[:1], [q], next(mark)), 1) for q in ten]
    print(
        f"{dtype}, {'eager' if options.eager else 'compiled'}; ready in {ready:.0f} s"
    )
    print(
        f"{f'{8 * len(views)} questions':24}{'new pictures':>14}{'known':>10}{'first words':>13}"
    )
    mean = [(a.seconds + b.seconds) / 2 for a, b in zip(before, after, strict=True)]
    first = (before[1].first + after[1].first) / 2
    print(
        f"{'local, one by one':24}{mean[0]:>12.1f} s{mean[1]:>8.1f} s{first:>11.2f} s"
    )
    for number, (new, known) in levels.items():
        print(
            f"{f'vLLM, {number} at a time':24}{mean[0] / new.seconds:>13.1f}x"
            f"{mean[1] / known.seconds:>9.1f}x{known.first:>11.2f} s"
        )
        equal = sum(a == b for a, b in zip(known.texts, before[1].texts, strict=True))
        print(
            f"{'':24}{equal} of {len(known.texts)} texts are those of the local engine"
        )
    rest = statistics.median(t.seconds for t in about_one[1:])
    new_each = statistics.median(t.seconds for t in about_ten)
    print(
        f"ten questions about one picture: {about_one[0].seconds:.2f} s for the first, "
        f"{rest:.2f} s for each other ({about_one[0].seconds / rest:.1f}x); about ten "
        f"pictures {new_each:.2f} s each ({new_each / rest:.1f}x)"
    )


def both(
    engine: Engine, views: Sequence[View], mark: int, at_a_time: int
) -> tuple[Timed, Timed]:
    """Ask about new pictures, then other questions about them."""
    return (
        run(engine, questions(views, FIRST, mark), at_a_time),
        run(engine, questions(views, THEN, mark), at_a_time),
    )


def say(line: str) -> None:
    """Print on stderr."""
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
