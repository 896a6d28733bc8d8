"""Signals, threshold, filters, diversity, pictures and re-ranking."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rsvlm.embedding import Vectors
from rsvlm.knowing import Knowledge
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval.knowledge import KnowledgeBase
from rsvlm.retrieval.passages import Passage
from rsvlm.retrieval.rerank import CrossEncoder
from rsvlm.retrieval.retriever import KnowledgeRetriever, Settings
from rsvlm.retrieval.signals import Weights, content_words, meaning, nearness, score

Make = Callable[[Iterable[Passage]], KnowledgeBase]


@pytest.fixture
def retriever(base: KnowledgeBase, encoder: Any) -> KnowledgeRetriever:
    return KnowledgeRetriever(base, encoder)


def test_it_is_what_the_assistant_asks(retriever: KnowledgeRetriever) -> None:
    knowledge: Knowledge = retriever
    (first, *_) = knowledge.search("What is the grain of a radar image?", ())
    assert first.id == 1
    assert first.text.startswith("Speckle")
    assert first.score is not None


def test_what_is_not_relevant_is_not_used(
    retriever: KnowledgeRetriever, scene: Raster
) -> None:
    assert retriever.search("Who won the football cup?", [scene]) == []
    assert retriever.search("How many ships are there?", [scene]) == []


def test_place_prefers_what_lies_in_the_scene(
    base: KnowledgeBase, encoder: Any, scene: Raster
) -> None:
    question = "Why was an airport built in Testland?"
    here = KnowledgeRetriever(base, encoder).candidates(question, [scene])
    assert here[0].distance_km == 0
    far = next(hit for hit in here if hit.passage.title == "Far Field")
    assert far.distance_km == pytest.approx(44.5, abs=0.2)
    assert far.near == pytest.approx(nearness(44.5), abs=0.01)
    assert far.score < here[0].score
    blind = Settings(weights=Weights(place=0.0))
    anywhere = KnowledgeRetriever(base, encoder, blind).candidates(question, [scene])
    assert all(hit.near is None for hit in anywhere)


def test_what_is_found_by_words_alone(base: KnowledgeBase, encoder: Any) -> None:
    settings = Settings(weights=Weights(dense=0.0))
    (hit, *_) = KnowledgeRetriever(base, encoder, settings).hits("swath of Sentinel")
    assert hit.passage.title == "Sentinel"
    assert hit.dense is None
    assert encoder.encoded == len(base)  # the question was not encoded


def test_licences_and_dates_limit_what_is_used(
    base: KnowledgeBase, encoder: Any
) -> None:
    def titles(**limits: Any) -> set[str]:
        settings = Settings(least=0.0, count=20, **limits)
        found = KnowledgeRetriever(base, encoder, settings).hits(
            "Testland radar Sentinel"
        )
        return {hit.passage.title for hit in found}

    assert titles(licences=("CC-BY-*",)) == {"Midtown", "Hamlet"}
    assert "Speckle" in titles(since="2020-03", until="2020")
    assert "Speckle" not in titles(since="2021")
    assert "Sentinel" in titles(since="2024-06")  # 2024 may be later than June
    assert "NDVI" in titles(since="2030")  # has no date


def test_repetitions_are_left_out(make_base: Make, encoder: Any) -> None:
    same = Passage("Grain of a radar image is speckle.", "Speckle", "a", "MIT")
    twin = replace(same, text="Speckle is grain of a radar image.")
    other = Passage("Lee filters smooth speckle of radar.", "Filter", "a", "MIT")
    base = make_base([same, twin, other])
    found = KnowledgeRetriever(base, encoder, Settings(least=0.1)).hits("radar speckle")
    assert [hit.passage.title for hit in found] == ["Speckle", "Filter"]


class Pictures:
    """An embedder whose pictures are all alike."""

    name, revision, width, scale = "eye", "1", 3, 1.0
    sensors = frozenset({"optical"})

    def encode_image(self, views: Sequence[View]) -> Vectors:
        return np.tile(np.asarray([[1, 0, 0]], np.float32), (len(views), 1))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError("no text is encoded")


def test_a_picture_finds_passages_by_rs_rag_s_weights(
    tmp_path: Any, encoder: Any, scene: Raster
) -> None:
    from rsvlm.retrieval.building import SourceOf, build

    def rows() -> list[Passage]:
        like, unlike = np.eye(3, dtype=np.float32)[:2]
        return [
            Passage("A tower of old.", "Tower", "a", "MIT", picture=like),
            Passage("A bridge of old.", "Bridge", "a", "MIT", picture=unlike),
        ]

    source = SourceOf("a", "1", rows)
    build(tmp_path, [source], encoder, lambda line: None, pictures="eye/1")
    with KnowledgeBase.open(tmp_path) as base:
        seen = KnowledgeRetriever(base, encoder, embedder=Pictures())
        hits = seen.candidates("Why was this raised?", [scene])
        assert [hit.passage.title for hit in hits] == ["Tower", "Bridge"]
        assert [hit.picture for hit in hits] == pytest.approx([1, 0])
        assert hits[0].score == pytest.approx(0.7, abs=0.1)
        blind = KnowledgeRetriever(base, encoder)
        assert blind.candidates("Why was this raised?", [scene])[0].picture is None


def test_the_score_is_the_weighted_mean_of_the_signals() -> None:
    weights = Weights(dense=0.5, words=0.5, place=0.5, picture=0.7)
    assert score(weights, 0.75, 1.0, None, None) == 1
    assert score(weights, 0.15, 1.0, None, None) == 0.5
    assert score(weights, None, 0.6, None, None) == 0.6
    assert score(weights, None, 0.6, 1.0, None) == pytest.approx(0.6)
    assert score(weights, None, 0.6, 0.0, None) == pytest.approx(0.3)
    assert score(weights, 0.15, 0.0, None, 1.0) == pytest.approx(0.7)
    assert (meaning(-1), meaning(1)) == (0, 1)


def test_words_of_a_question_that_say_what_it_is_about() -> None:
    question = "Please show me which old airports lie near this image?"
    assert content_words(question) == ["old", "airports"]


def test_operators_of_the_search_language_are_words(
    retriever: KnowledgeRetriever,
) -> None:
    for question in ('NOT "speckle', "a AND OR )", "title:speckle*", "'; DROP TABLE"):
        retriever.candidates(question)


class Reversed:
    """Says that the worst is the best."""

    def rerank(self, question: str, hits: Any) -> Any:
        turned = [replace(hit, score=1 - hit.score) for hit in hits]
        return sorted(turned, key=lambda hit: -hit.score)


def test_the_second_stage_decides(base: KnowledgeBase, encoder: Any) -> None:
    question = "grain of a radar image"
    plain = KnowledgeRetriever(base, encoder).hits(question)[0]
    turned = KnowledgeRetriever(base, encoder, reranker=Reversed()).hits(question)[0]
    assert plain.passage.title == "Speckle"
    assert turned.passage.title != "Speckle"


def test_known_things_of_a_label(retriever: KnowledgeRetriever, scene: Raster) -> None:
    assert [e.id for e in retriever.known("airport", [scene])] == [1, 2]
    assert retriever.known("ship", [scene]) == []


def test_a_cross_encoder_of_random_weights(tmp_path: Any, base: KnowledgeBase) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        PreTrainedTokenizerFast,
    )

    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *["speckle", "radar", "grain", "image", "of", "a"],
    ]
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", model_max_length=32,
    )  # fmt: skip
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_labels=1,
        num_attention_heads=2, intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path / "cross")
    tokenizer.save_pretrained(tmp_path / "cross")
    from rsvlm.retrieval.passages import Hit

    hits = [Hit(i, p, score=0.5) for i, p in base.get(range(1, 13)).items()]
    found = CrossEncoder.load(tmp_path / "cross", share=1.0).rerank("speckle", hits)
    assert sorted(hit.id for hit in found) == sorted(hit.id for hit in hits)
    assert all(0 < hit.score < 1 for hit in found)
    assert [hit.score for hit in found] == sorted(
        (h.score for h in found), reverse=True
    )
    alone = CrossEncoder.load(tmp_path / "cross", share=1.0).rerank(
        "speckle", hits[3:4]
    )
    same = next(hit for hit in found if hit.id == hits[3].id)
    assert alone[0].score == pytest.approx(
        same.score, abs=1e-5
    )  # padding changes nothing


def test_a_folder_without_a_cross_encoder_is_named(tmp_path: Any) -> None:
    from rsvlm.errors import CheckpointError

    with pytest.raises(CheckpointError, match="no cross-encoder"):
        CrossEncoder.load(tmp_path)
