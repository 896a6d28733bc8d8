"""LHRS-Bench: 690 multiple-choice questions of eleven types on 108 images.

One JSON object ``{"qtype": {"<id> <name>": ..}, "data": [{"filename", "qa_pairs":
[{"question", "choices", "answer", "type": [ids]}]}]}``; ``choices`` is one text
``A. .. B. ..``. Upstream's generator keeps the first character of a reply only.

Source:
    Muhtar et al., "LHRS-Bot", ECCV 2024; code NJU-LHRS/LHRS-Bot, main_bench_gen.py.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.options import letters_of, option_texts, split_letters
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import Fields, as_fields, found, read_json
from rsvlm.samples import Sample

SOURCE = "lhrs-bench"
LICENCE = "not verified; repository Apache-2.0; images of Google Earth, research only"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a question; its first type counts, all are in ``meta``.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    images = Images(root, "images", "image")
    kept = False
    for path in found(root, "*.json"):
        whole = read_json(path)
        if isinstance(whole, dict) and {"qtype", "data"} <= set(whole):
            kept = True
            yield from _file(as_fields(whole, path.name), images)
    if not kept:
        raise ParseError(
            f"No JSON file below {str(root)!r} has 'qtype' and 'data'. "
            "Name the folder of LHRS-Bench with --root."
        )


def _file(whole: Fields, images: Images) -> Iterator[Sample]:
    types = {}
    for key in as_fields(whole.raw("qtype"), f"{whole.where}, qtype").values:
        kind, _, words = str(key).partition(" ")
        types[kind] = words.strip() or kind
    for entry in whole.objects("data"):
        name = entry.text("filename")
        image = images.ref(name, entry.where)
        for number, pair in enumerate(entry.objects("qa_pairs")):
            options = _options(pair)
            kinds = [types.get(str(kind), str(kind)) for kind in pair.items("type")]
            yield Sample(
                id=f"{SOURCE}/{name}/{number}",
                images=(image,),
                task="vqa",
                conversation=asked(pair.text("question")),
                answers=letters_of(pair.raw("answer"), len(options), pair, "answer"),
                options=options,
                type=kinds[0] if kinds else None,
                source=SOURCE,
                licence=LICENCE,
                split="test",
                meta={"types": kinds},
            )


def _options(pair: Fields) -> tuple[str, ...]:
    value = pair.raw("choices")
    if isinstance(value, list):
        return option_texts([str(line) for line in value], pair, "choices")
    lettered = split_letters(str(value))
    if lettered is None:
        raise pair.fault("'choices'", f"is {value!r:.60}, not 'A. .. B. ..'")
    return tuple(lettered[1])
