"""Which pictures of the rasters a question needs, and what each of them shows.

A raster of many bands can be drawn in several ways, and a model of RGB pictures sees
only what it is shown. The words of a question choose: :func:`choose_renderings` for one
raster, :func:`plan_views` for all rasters of a prompt. :func:`legends` tells the model
which picture is what, and :func:`lacking` tells the user what no picture can show.
A way to draw is an entry of :data:`rsvlm.render.RENDERINGS`; the words that ask for it
stand in :mod:`rsvlm.looking_words`.

Source:
    Six pictures of one Sentinel-2 scene, each with its sentence, for models of RGB
    pictures: https://arxiv.org/abs/2509.19087.
"""

from collections.abc import Collection, Mapping, Sequence

from rsvlm.bands import POLARISATIONS
from rsvlm.decode import shown
from rsvlm.looking_words import asked, asks_cover, asks_description, named, needed
from rsvlm.raster import Raster
from rsvlm.render import RENDERINGS, View
from rsvlm.tasks import PLAIN_RENDERINGS

#: The six pictures of the paper, in its order; its second NDMI, of B8A and B12, is NBR.
PAPER = ("true-colour", "false-colour", "ndvi", "ndwi", "ndmi", "nbr")


def choose_renderings(
    question: str, available: Sequence[str], most: int
) -> tuple[str, ...]:
    """Return how to draw one raster for a question.

    The preferred picture comes first, so that a model sees what an eye would see; only
    a single picture gives way to one that the question names. What else comes depends
    on the words of the question: radar is shown in all its polarisations, everything
    for land cover, nothing more where true colour says it all.

    Args:
        question: What the user wrote.
        available: Names of the pictures that can be drawn, the preferred first, as
            :meth:`rsvlm.raster.Raster.renderings` gives them.
        most: Most pictures of this raster, at least 1.

    Returns:
        Names among ``available``, in the order of their use.

    Raises:
        ValueError: If ``most`` is not positive.

    .. versionadded:: 0.1

    >>> choose_renderings("Is the river in flood?", PAPER, 3)
    ('true-colour', 'ndwi')
    """
    if most < 1:
        raise ValueError(f"{most} pictures cannot show a raster")
    text = asked(question)
    by_name = [n for entry in named(text) for n in entry.renderings if n in available]
    if most == 1:
        return tuple((*by_name, *available)[:1])
    wanted = [*available[:1], *by_name, *needed(text)]
    if any(name.startswith("sar-") for name in available):
        wanted += available
    elif not by_name and asks_cover(question):
        six = tuple(n for n in available if n in PAPER or n == available[0])
        if len(six) <= most:
            return six
        wanted += six
    elif len(wanted) == 1 and asks_description(question):
        wanted.append("false-colour")
    return tuple(n for n in dict.fromkeys(wanted) if n in available)[:most]


def plan_views(
    question: str, rasters: Sequence[Raster], together: int
) -> list[tuple[int, str]]:
    """Return the pictures of one prompt.

    Every raster gets one picture before any gets a second, so that picture n is of
    raster n for as long as there are rasters; pictures that are left go round.

    Args:
        question: What the user wrote.
        rasters: Opened images.
        together: Most pictures of a prompt, at least 1. Where it is less than the
            rasters, the last rasters get none: the caller tells the user.

    Returns:
        Index of a raster and name of a rendering, in the order of the prompt.

    Raises:
        ValueError: If ``together`` is not positive.

    .. versionadded:: 0.1
    """
    if together < 1:
        raise ValueError(f"a prompt of {together} pictures shows nothing")
    names = [raster.renderings() for raster in rasters[:together]]
    useful = [len(choose_renderings(question, n, len(n) + 1)) for n in names]
    rounds = [(turn, i) for i, count in enumerate(useful) for turn in range(count)]
    turns = [i for _, i in sorted(rounds)[:together]]
    chosen = [
        iter(choose_renderings(question, n, turns.count(i)))
        for i, n in enumerate(names)
    ]
    return [(i, next(chosen[i])) for i in turns]


def legends(views: Sequence[View], sensors: Collection[str] = ()) -> list[str]:
    """Return the sentences that tell a model what its pictures are.

    Pictures that an eye understands need none, unless they share a prompt with others
    or show one raster twice.

    Args:
        views: Pictures, in the order in which the model sees them.
        sensors: Those that the model was trained on: a radar picture alone needs no
            sentence for it, and in its training there was none.

    Returns:
        For several pictures one sentence each, with its number from 1, its sensor and
        how to read it; what was explained before is referred to.

    .. versionadded:: 0.1
    """
    several_of_one = len({view.image for view in views}) < len(views)
    if all(v.rendering in PLAIN_RENDERINGS for v in views) and not several_of_one:
        return []
    if len(views) == 1:
        learned = views[0].sensor == "sar" and "sar" in sensors
        return [] if learned else [views[0].legend]
    lines = []
    explained: dict[str, int] = {}
    first: dict[int, int] = {}  # raster -> index of its first picture
    for index, view in enumerate(views):
        number, earlier = index + 1, first.setdefault(view.image, index)
        what = f"{_SENSOR_TITLES.get(view.sensor, view.sensor)}, {_title(view)}"
        if earlier < index:
            what += f"; {_relation(view, views[earlier])} image {earlier + 1}"
        told = explained.setdefault(view.legend, number)
        meaning = view.legend if told == number else f"colours as in image {told}."
        lines.append(f"Image {number} ({what}): {meaning}")
    return lines


def lacking(question: str, rasters: Sequence[Raster]) -> str | None:
    """Return why no raster can show what a question names, or None.

    Only what is asked for by name counts, such as NDVI or VH: whether crops are healthy
    can be guessed from true colour as well.

    Args:
        question: What the user wrote.
        rasters: Opened images.

    Returns:
        One line that names the missing bands and says what to do.

    .. versionadded:: 0.1
    """
    radar = any(raster.sensor == "sar" for raster in rasters)
    for entry in named(asked(question)):
        needs = [set(n) for name in entry.renderings for n in RENDERINGS[name].needs]
        if not radar and any(n <= set(POLARISATIONS) for n in needs):
            continue  # "HV lines" of an optical picture are high-voltage lines
        gaps = [_gap(needs, raster) for raster in rasters]
        if not rasters or not all(gaps):
            continue
        lists = [
            f"{shown(raster.name, 60)} ({raster.sensor}: "
            f"{', '.join(raster.guess.bands)}) lacks {gap}"
            for raster, gap in zip(rasters, gaps, strict=True)
        ]
        unnamed = any("band1" in raster.guess.bands for raster in rasters)
        hint = " Or name the bands in the file, if one of them is that." * unnamed
        return (
            f"{entry.title} cannot be shown: {'; '.join(lists)}. Give an image that has "
            f"what is lacking, or ask about what can be seen without it.{hint}"
        )
    return None


_SENSOR_TITLES = {"sar": "radar"}
_TITLES: Mapping[str, str] = {
    "true-colour": "true colour",
    "false-colour": "false colour",
    "gray": "gray levels",
    "single-band": "one band",
    "composite-123": "bands 1 to 3",
    "sar-composite": "composite of polarisations",
    "sar-db": "backscatter in dB",
    "sar-8bit": "gray levels",
    **{f"sar-{name.lower()}-db": f"{name} in dB" for name in POLARISATIONS},
    **{name: name.upper() for name in ("ndvi", "ndwi", "ndmi", "nbr")},
}

#: Band -> what people call it, where that is not its name.
_BAND_WORDS = {
    "nir": "near infrared",
    "nir08": "near infrared",
    "swir16": "short-wave infrared at 1.6 um",
    "swir22": "short-wave infrared at 2.2 um",
}


def _title(view: View) -> str:
    return _TITLES.get(view.rendering, view.rendering.replace("-", " "))


def _relation(view: View, other: View) -> str:
    """Say in words how a picture relates to an earlier one of the same raster."""
    a, b = view.window.box, other.window.box
    if a == b:
        return "another picture of"
    inside = a.x0 >= b.x0 and a.y0 >= b.y0 and a.x1 <= b.x1 and a.y1 <= b.y1
    return "a closer look at a part of" if inside else "of the same scene as"


def _gap(needs: Sequence[set[str]], raster: Raster) -> str:
    """Name the fewest bands that a raster lacks; empty where it lacks none."""
    lacks = [sorted(bands - set(raster.guess.bands)) for bands in needs]
    fewest = min(lacks, key=len)
    words = list(dict.fromkeys(_BAND_WORDS.get(name, name) for name in fewest))
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
