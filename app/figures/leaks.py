"""Whether a checkpoint was trained on what it is measured on: by file, look and place.

A file is the same where its SHA-256 stands in ``train-images.txt``. Pictures that were
encoded anew, turned or mirrored are found by their look, ground that was seen before by
its place; both need the training pictures themselves, which the built data folders hold.
What could not be compared is counted too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rsvlm.app.eval_data import Located, ensure
from rsvlm.app.figures.measure import Request, told
from rsvlm.data_engine.filters.prints import Print, look, print_of
from rsvlm.data_engine.filters.twins import same_look, same_place
from rsvlm.errors import RsvlmError
from rsvlm.eval.benchmark import load
from rsvlm.eval.selection import load_samples
from rsvlm.samples import ImageRef, read_samples
from rsvlm.training.features import picture_hash
from rsvlm.training.images import read_train_images

Say = Callable[[str], None]

#: Least correlation of two thumbnails of one scene.
ALIKE = 0.95
#: Least share of the smaller picture that is common ground.
SHARED = 0.02
TRAINED, MEASURED = "train", "test"
#: Name of a training picture, and how much of it is the same.
Twin = tuple[str, float]


class Leak(BaseModel):
    """What is known of one benchmark.

    Attributes:
        benchmark: Its name.
        images: Its pictures.
        same_file: Those whose file the checkpoint was trained on.
        same_look: Those that look like a training picture: the test picture, the
            training picture, how much.
        same_place: Those on the ground of a training picture, likewise.
        with_place: Pictures whose place is known.
        note: What else must be known, such as why nothing could be compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    benchmark: str
    images: int = 0
    same_file: tuple[str, ...] = ()
    same_look: tuple[tuple[str, str, float], ...] = ()
    same_place: tuple[tuple[str, str, float], ...] = ()
    with_place: int = 0
    note: str = ""


class Leaks(BaseModel):
    """What is known of all benchmarks.

    Attributes:
        listed: Pictures in the list of the checkpoint; None where it has no list.
        found: How many of them the data folders hold, so that look and place are known.
        placed: How many of these lie at a known place.
        leaks: One entry a benchmark.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    listed: int | None = None
    found: int = 0
    placed: int = 0
    leaks: tuple[Leak, ...] = ()


def find_leaks(
    names: Sequence[str], checkpoint: Path, request: Request, say: Say
) -> Leaks:
    """Compare the pictures of benchmarks with those that a checkpoint was trained on.

    Args:
        names: The benchmarks.
        checkpoint: Folder of the checkpoint.
        request: Where data and benchmarks are.
        say: Called with a line of progress.

    Raises:
        ParseError: If the list of the checkpoint is damaged.
    """
    listed = read_train_images(checkpoint)
    if listed is None:
        return Leaks()
    benchmarks: dict[str, Located] = {}
    notes: dict[str, str] = {}
    for name in names:
        try:
            benchmarks[name] = ensure(
                load(name, request.include), request.data, request.include, say
            )
        except RsvlmError as error:
            notes[name] = told(error)
    say("leaks: looking at the training pictures")
    trained = list(_trained({f.file.parent for f in benchmarks.values()}, listed))
    pictures = {
        name: _pictures(name, files, request) for name, files in benchmarks.items()
    }
    say("leaks: looking at the pictures of the benchmarks")
    measured = _measured(pictures, benchmarks)
    prints = [*trained, *measured.values()]
    looks = _across(same_look(prints, ALIKE), prints)
    places = _across(same_place(prints, SHARED), prints)
    leaks = [
        Leak(benchmark=name, note=notes[name])
        if name in notes
        else _leak(name, pictures[name], measured, listed, looks, places)
        for name in names
    ]
    return Leaks(
        listed=len(listed),
        found=len(trained),
        placed=sum(item.bounds is not None for item in trained),
        leaks=tuple(leaks),
    )


def _trained(folders: set[Path], listed: frozenset[str]) -> Iterator[Print]:
    """Yield the listed pictures that folders of built data hold, each once."""
    seen: set[str] = set()
    for folder in sorted(folders):
        for split in ("train", "val"):
            file = folder / f"{split}.jsonl"
            if not file.is_file():
                continue
            for image in _images(file).values():
                digest = picture_hash(image, folder).lower()
                if digest in listed and digest not in seen:
                    seen.add(digest)
                    yield _print(image, folder, TRAINED)


def _images(file: Path) -> Mapping[str, ImageRef]:
    return {image.path: image for s in read_samples(file) for image in s.images}


def _pictures(name: str, files: Located, request: Request) -> dict[str, ImageRef]:
    """Return hash -> picture of a benchmark."""
    samples = load_samples(load(name, request.include), files.file)
    images = {image.path: image for sample in samples for image in sample.images}
    return {picture_hash(i, files.images).lower(): i for i in images.values()}


def _measured(
    pictures: Mapping[str, Mapping[str, ImageRef]], files: Mapping[str, Located]
) -> dict[str, Print]:
    """Return hash -> print of every picture of all benchmarks, each once."""
    found: dict[str, Print] = {}
    for name, images in pictures.items():
        for digest, image in images.items():
            if digest not in found:
                found[digest] = _print(image, files[name].images, MEASURED)
    return found


def _print(image: ImageRef, folder: Path, split: str) -> Print:
    data = (folder / image.path).read_bytes()
    view, bounds = look(data, image.path, image.sensor)
    place = image.bounds_lonlat or bounds
    return print_of(data, view, place, split, folder.name, image.path)


def _leak(
    name: str,
    pictures: Mapping[str, ImageRef],
    measured: Mapping[str, Print],
    listed: frozenset[str],
    looks: Mapping[str, Twin],
    places: Mapping[str, Twin],
) -> Leak:
    return Leak(
        benchmark=name,
        images=len(pictures),
        same_file=tuple(i.path for d, i in pictures.items() if d in listed),
        same_look=tuple((i.path, *looks[d]) for d, i in pictures.items() if d in looks),
        same_place=tuple(
            (i.path, *places[d]) for d, i in pictures.items() if d in places
        ),
        with_place=sum(measured[digest].bounds is not None for digest in pictures),
    )


def _across(
    pairs: Iterator[tuple[int, int, float]], prints: Sequence[Print]
) -> dict[str, Twin]:
    """Return hash of a measured picture -> the training picture most like it."""
    best: dict[str, Twin] = {}
    for i, j, score in pairs:
        trained, measured = prints[i], prints[j]
        is_across = (trained.split, measured.split) == (TRAINED, MEASURED)
        if is_across and score > best.get(measured.sha256, ("", 0.0))[1]:
            best[measured.sha256] = (trained.name, round(score, 3))
    return best
