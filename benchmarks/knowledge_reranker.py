"""Train a small cross-encoder for the last row of the retrieval ablation.

Run: python benchmarks/knowledge_reranker.py OUT_DIR --base BASE_DIR [--steps 240]
then: python benchmarks/knowledge_ablation.py BASE_DIR --tiles TILES.json --reranker OUT_DIR

No package carries the weights of a cross-encoder, so that one is trained here, from the
sentence encoder: it reads a question and a passage together and says whether the passage
answers it. Passages and wordings of the ablation take no part: terms and sensors are
others, airports, ports and places are those of Central Europe, and one question in ten
is held out to see how well it has learned. It is not shipped: it shows what a second
stage adds (docs/knowledge.md).
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import knowledge_ablation

from rsvlm.retrieval.encoders import SentenceEncoder
from rsvlm.retrieval.knowledge import KnowledgeBase
from rsvlm.retrieval.passages import Passage
from rsvlm.retrieval.recipes import Recipe, sources
from rsvlm.retrieval.retriever import KnowledgeRetriever

#: Wordings; those of the ablation are others.
ABOUT = (
    "What is {}?", "What does {} mean?", "Tell me about {}.", "Explain {}.",
    "Define {}.", "{}: what is that, and what is it used for?", "How does {} work?",
    "Why would one use {}?", "I keep reading of {}; what does it stand for?",
)  # fmt: skip
KINDS = {
    "airport": ("Is there an airfield close by?", "Where would a plane land near here?",
                "Which airport serves this area?", "The closest airport, please."),
    "port": ("Where would a ship berth near here?", "Is there a harbour close by?",
             "Which port serves this area?", "The closest seaport, please."),
    "place": ("Which town is this near?", "What is the closest settlement?",
              "Where do people live near here?", "The nearest town, please."),
}  # fmt: skip
AREA = [5.0, 43.0, 12.0, 54.0]
RECIPE = {
    "name": "reranker",
    "source": [
        {"kind": "airports", "dense": True, "area": AREA},
        {"kind": "ports", "dense": True, "area": AREA},
        {"kind": "places", "area": AREA, "file": "cities15000"},
    ],
}
#: Wrong passages to a right one; every fourth is drawn, the others are the first
#: stage's best.
WRONG = 5
LENGTH = 160


@dataclass(frozen=True)
class Pair:
    """A question, the passage that answers it, and passages that do not."""

    question: str
    right: Passage
    wrong: tuple[Passage, ...]


def main() -> None:
    """Draw pairs, train, say what is right on held-out ones, save."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", type=Path, required=True, help="of the ablation")
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--questions", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=4, help="questions a step")
    given = parser.parse_args()
    torch.manual_seed(0)
    rng = Random(0)
    encoder = SentenceEncoder()
    with KnowledgeBase.open(given.base) as base:
        pairs = [*_about(base, encoder, rng, given.questions), *_kinds(rng, 300)]
    rng.shuffle(pairs)
    held, taught = pairs[: len(pairs) // 10], pairs[len(pairs) // 10 :]
    print(f"{len(taught)} questions to learn from, {len(held)} held out")
    model, tokenizer = _start()
    print(
        f"held out, right passage first, before: {_first(model, tokenizer, held):.3f}"
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=5e-5, total_steps=given.steps, pct_start=0.1
    )
    for step in range(given.steps):
        some = [
            taught[(step * given.batch + i) % len(taught)] for i in range(given.batch)
        ]
        # One of six: the softmax over a question's passages needs no scale.
        scores = torch.stack([_scores(model, tokenizer, pair) for pair in some])
        loss = torch.nn.functional.cross_entropy(
            scores, torch.zeros(len(some), dtype=torch.long)
        )
        loss.backward()
        optimiser.step()
        plan.step()
        optimiser.zero_grad()
        if (step + 1) % 40 == 0:
            print(f"step {step + 1}: loss {float(loss.detach()):.3f}", flush=True)
    print(f"held out, right passage first, after: {_first(model, tokenizer, held):.3f}")
    model.save_pretrained(given.out)
    tokenizer.save_pretrained(given.out)


def _start() -> tuple[Any, Any]:
    """Return the sentence encoder with an untrained output."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from rsvlm import assets

    folder = assets.fetch("all-minilm-l6-v2")
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    return model.train(), AutoTokenizer.from_pretrained(folder)


def _scores(model: Any, tokenizer: Any, pair: Pair) -> Any:
    """Return the score of each passage, the right one first, shape (1 + WRONG,)."""
    texts = [f"{p.title}. {p.text}" for p in (pair.right, *pair.wrong)]
    batch = tokenizer(
        [pair.question] * len(texts), texts, padding=True, truncation="only_second",
        max_length=LENGTH, return_tensors="pt",
    )  # fmt: skip
    return model(**batch).logits[:, 0]


def _first(model: Any, tokenizer: Any, pairs: Sequence[Pair]) -> float:
    """Return how often the right passage has the best score."""
    import torch

    model.eval()
    with torch.no_grad():
        good = [int(_scores(model, tokenizer, pair).argmax()) == 0 for pair in pairs]
    model.train()
    return sum(good) / len(good)


def _about(
    base: KnowledgeBase, encoder: SentenceEncoder, rng: Random, count: int
) -> Iterator[Pair]:
    """Yield questions on terms and sensors that the ablation does not ask about."""
    asked = {question.title for question in knowledge_ablation.about()}
    kinds = ("term", "sensor", "band")
    rows = base.rows(f"SELECT id FROM passages WHERE kind IN {kinds} ORDER BY id")
    passages = list(base.get(row[0] for row in rows).values())
    free = [p for p in passages if p.title not in asked]
    retriever = KnowledgeRetriever(base, encoder)
    for number in range(count):
        right = free[number % len(free)]
        name = rng.choice([right.title, *_others(right)])
        question = rng.choice(ABOUT).format(name)
        found = [hit.passage for hit in retriever.candidates(question)[:12]]
        near = [p for p in found if p.title != right.title][: WRONG - WRONG // 4]
        far = rng.sample([p for p in passages if p.title != right.title], WRONG)
        yield Pair(question, right, tuple([*near, *far][:WRONG]))


def _others(passage: Passage) -> list[str]:
    """Return the other names of a term."""
    names = str(passage.facts.get("aka", "")).split("; ")
    return [name for name in names if name]


def _kinds(rng: Random, count: int) -> Iterator[Pair]:
    """Yield questions on what lies near, whose kind tells which passage is meant."""
    found: dict[str, list[Passage]] = {kind: [] for kind in KINDS}
    for source in sources(Recipe.model_validate(RECIPE), Path()):
        for passage in source.read():
            found[passage.kind].append(passage)
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        others = [p for other in KINDS if other != kind for p in found[other]]
        right, wrong = rng.choice(found[kind]), rng.sample(others, WRONG)
        yield Pair(rng.choice(KINDS[kind]), right, tuple(wrong))


if __name__ == "__main__":
    main()
