"""The ablation of RS-RAG in small: what each signal of the retriever adds.

Run: python benchmarks/knowledge_ablation.py OUT_DIR --tiles TILES.json

A base of Los Angeles is built in which every passage has a vector (airports, ports,
places, and the texts that ship with rsvlm), so that no signal is shut out. Asked are
questions on what lies nearest to a tile, and on sensors and terms; counted is how often
the right passage is first, and among the first five. Questions that have no answer there
tell how often nothing is used. The truth comes from the tables
(``knowledge_questions.py``).
"""

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import knowledge_questions

from rsvlm.raster import Raster
from rsvlm.retrieval.building import build
from rsvlm.retrieval.encoders import SentenceEncoder
from rsvlm.retrieval.knowledge import KnowledgeBase
from rsvlm.retrieval.recipes import Recipe, sources
from rsvlm.retrieval.rerank import CrossEncoder
from rsvlm.retrieval.retriever import KnowledgeRetriever, Settings
from rsvlm.retrieval.signals import Weights
from rsvlm.retrieval.sources_own import glossary, handbook

AREA = [-119.0, 33.5, -117.5, 34.5]
RECIPE = {
    "name": "ablation",
    "source": [
        {"kind": "handbook"},
        {"kind": "glossary"},
        {"kind": "airports", "dense": True, "area": AREA},
        {"kind": "ports", "dense": True, "area": AREA},
        {"kind": "places", "dense": True, "area": AREA, "file": "cities15000"},
    ],
}
STAGES = {
    "dense": Weights(dense=1.0, words=0.0, place=0.0),
    "+ words (BM25)": Weights(place=0.0),
    "+ place": Weights(),
}
ABOUT = (
    "I would like to understand {} better.",
    "Can you explain to me what {} is about?",
    "What should I know of {}?",
)
#: Nothing in the base answers these.
UNKNOWN = (
    "Who won the football world cup in 1998?",
    "How do I bake sourdough bread?",
    "Which novel won the Booker prize last year?",
    "What is the best way to learn the violin?",
    "Why did my computer stop booting?",
    "When was the treaty of Westphalia signed?",
    "How many strings has a cello?",
    "What does my neighbour's dog eat?",
    "Who painted the night watch?",
    "Is tea healthier than coffee?",
    "What is the square root of two?",
    "How do vaccines protect children?",
)


@dataclass(frozen=True)
class Question:
    """A question, its image and the title of the passage that answers it."""

    text: str
    rasters: tuple[Raster, ...]
    title: str


def main() -> None:
    """Build, ask, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--count", type=int, default=12, help="tiles")
    parser.add_argument("--reranker", help="folder of a cross-encoder")
    given = parser.parse_args()
    encoder = SentenceEncoder()
    recipe = Recipe.model_validate(RECIPE)
    build(given.folder, sources(recipe, Path()), encoder, print)
    with (
        KnowledgeBase.open(given.folder) as base,
        tempfile.TemporaryDirectory() as name,
    ):
        asked = [*_near(given.tiles, Path(name), given.count), *about()]
        print(f"{len(asked)} questions, {len(UNKNOWN)} without an answer")
        print("stage              first   first 5   nothing used")
        print("none               0.000   0.000     1.000")
        for stage, weights in STAGES.items():
            _row(
                stage,
                KnowledgeRetriever(base, encoder, Settings(weights=weights)),
                asked,
            )
        if given.reranker:
            second = CrossEncoder.load(given.reranker)
            _row("+ re-rank", KnowledgeRetriever(base, encoder, reranker=second), asked)


def _row(stage: str, retriever: KnowledgeRetriever, asked: list[Question]) -> None:
    """Ask all questions of one stage; relevance counts, the threshold only abstention."""
    open_gate = replace(retriever.settings, least=0.0)
    first = among = 0
    strict = retriever.settings
    retriever.settings = open_gate
    for question in asked:
        titles = [
            hit.passage.title for hit in retriever.hits(question.text, question.rasters)
        ]
        first += titles[:1] == [question.title]
        among += question.title in titles
    retriever.settings = strict
    empty = sum(not retriever.hits(text) for text in UNKNOWN)
    print(
        f"{stage:18} {first / len(asked):.3f}   {among / len(asked):.3f}     "
        f"{empty / len(UNKNOWN):.3f}"
    )


def about() -> list[Question]:
    """Return questions on sensors and terms."""
    rng = Random(1)
    texts = [*handbook(), *glossary()]
    chosen = rng.sample(texts, 40)
    return [Question(rng.choice(ABOUT).format(p.title), (), p.title) for p in chosen]


def _near(tiles: Path, folder: Path, count: int) -> list[Question]:
    """Return questions on the airport and the port nearest to a tile."""
    known, rng = knowledge_questions.tables(), Random(2)
    scenes = [s for s in knowledge_questions.scenes(tiles) if "los_angeles" in s.name]
    asked = []
    for scene in rng.sample(scenes, count):
        raster = Raster.open(scene.write(folder))
        for kind, things, value, _ in knowledge_questions.truths(scene, known):
            if kind in ("nearest airport", "nearest port") and not value:
                text = rng.choice(knowledge_questions.WORDINGS[kind])
                asked.append(Question(text, (raster,), things[0].name))
    return asked


if __name__ == "__main__":
    main()
