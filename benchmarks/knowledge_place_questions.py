"""Answers the benchmark place-questions with composed facts, without any model.

Run: python benchmarks/knowledge_place_questions.py KNOWLEDGE_DIR DATA_DIR

Its questions are multiple choice (country, nearest of four places, centre, size of a
pixel, width); an answer counts when its letter is right, its citation when the cited
passage names the right option, or comes from the georeference.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from rsvlm.eval.convert import places
from rsvlm.raster import Raster
from rsvlm.retrieval.wiring import open_retriever


def main() -> None:
    """Ask, compare, print."""
    base, root = sys.argv[1], Path(sys.argv[2])
    retriever = open_retriever(base)
    asked, right, cited, wrong = Counter[str](), Counter[str](), Counter[str](), []
    with tempfile.TemporaryDirectory() as name:
        for path, data in places.pictures(root):
            file = Path(name, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        for sample in places.convert(root):
            letters = [chr(ord("A") + i) for i in range(len(sample.options))]
            lines = [
                f"{letter}. {option}"
                for letter, option in zip(letters, sample.options, strict=True)
            ]
            text = sample.conversation[0].text
            question = "\n".join(
                [text, *lines, "Answer with the letter of the right option only."]
            )
            kind = str(sample.type)
            asked[kind] += 1
            with Raster.open(Path(name, sample.images[0].path)) as raster:
                answer = retriever.compose(question, [raster])
            told = answer.text if answer else ""
            letter = sample.answers[0]
            good = told.startswith(f"{letter}.")
            right[kind] += good
            evidence = answer.evidence[0] if answer and answer.evidence else None
            option = sample.options[letters.index(letter)].split(",")[0]
            cited[kind] += evidence is not None and (
                option in evidence.text or evidence.source.startswith("georeference")
            )
            if not good:
                wrong.append(f"{sample.id}: {told!r}, right is {letter}")
    for kind in asked:
        n = asked[kind]
        print(
            f"{kind:12} {n:4} right {right[kind] / n:.3f} cited {cited[kind] / n:.3f}"
        )
    n = asked.total()
    print(
        f"{'all':12} {n:4} right {right.total() / n:.3f} cited {cited.total() / n:.3f}"
    )
    print("\n".join(wrong[:20]))


if __name__ == "__main__":
    main()
