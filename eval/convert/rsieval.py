"""RSIEval: 100 images with one long caption and 936 free-text questions.

``annotations.json`` is ``{"annotations": [{"filename", "caption", "qa_pairs":
[{"question", "answer", "type"}]}]}``; images lie in ``images/`` beside it.

Source:
    Hu et al., "RSGPT: A Remote Sensing Vision Language Model and Benchmark", ISPRS
    Journal 2025; code Lavender105/RSGPT.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.asked import asked
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import as_fields, found, only, read_json
from rsvlm.samples import Sample

SOURCE = "rsieval"
LICENCE = "no terms stated upstream; images of DOTA, research only"
CAPTION = "Describe the image in detail."


def convert(root: Path) -> Iterator[Sample]:
    """Yield a caption sample an image, then one sample a question.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    path = only(found(root, "annotations.json"))
    images = Images(path.parent, "images")
    prefix = path.parent.relative_to(root).as_posix()
    for entry in as_fields(read_json(path), path.name).objects("annotations"):
        name = entry.text("filename")
        image = images.ref(name, entry.where)
        if prefix != ".":
            image = image.model_copy(update={"path": f"{prefix}/{image.path}"})
        yield Sample(
            id=f"{SOURCE}/{name}/caption",
            images=(image,),
            task="caption",
            conversation=asked(CAPTION),
            answers=(entry.text("caption"),),
            source=SOURCE,
            licence=LICENCE,
            split="test",
        )
        for number, pair in enumerate(entry.objects("qa_pairs")):
            yield Sample(
                id=f"{SOURCE}/{name}/{number}",
                images=(image,),
                task="vqa",
                conversation=asked(pair.text("question")),
                answers=(pair.text("answer"),),
                type=pair.text("type"),
                source=SOURCE,
                licence=LICENCE,
                split="test",
            )
