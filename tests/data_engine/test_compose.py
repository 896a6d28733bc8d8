"""Questions and answers: true, grammatical, reproducible, unseen wording in test."""

import itertools
import re
from collections import Counter
from dataclasses import replace
from string import Formatter

import pytest

from rsvlm.data_engine import phrases
from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.phrases import fill, words_for
from rsvlm.data_engine.records import SPLITS, Record, Split
from rsvlm.data_engine.wordings import QUESTIONS, WORDINGS
from rsvlm.labels import OBJECTS, SCENES, canonical, plural_of
from rsvlm.samples import Sample, Target

VHR10 = [
    "airplane",
    "ship",
    "storage_tank",
    "baseball_diamond",
    "tennis_court",
    "basketball_court",
    "ground_track_field",
    "harbor",
    "bridge",
    "vehicle",
]
RSSCN7 = ["grass", "field", "industry", "river_lake", "forest", "resident", "parking"]


def _target(label: str, x: float) -> Target:
    return Target(
        label=label,
        hbb=(x, 5, x + 4, 9),
        polygons=((x, 5.0, x + 4, 5.0, x + 4, 9.0),),
    )


#: Three airplanes and a bridge.
PORT = Record(
    image=b"pixels",
    name="001.webp",
    width=200,
    height=100,
    source="vhr10",
    licence="terms",
    targets=(*(_target("airplane", 10.0 * i) for i in range(3)), _target("bridge", 60)),
    objects=tuple(VHR10),
)
WOOD = Record(
    image=b"pixels",
    name="e001.webp",
    width=256,
    height=256,
    source="rsscn7",
    licence="terms",
    label="resident",
    scenes=tuple(RSSCN7),
)


def _many(record: Record, split: Split, count: int = 60) -> list[Sample]:
    """Return the samples of so many images with the same labels."""
    return [
        sample
        for number in range(count)
        for sample in compose(replace(record, name=f"{number:03d}.webp"), split)
    ]


def _kind(samples: list[Sample], kind: str) -> list[Sample]:
    return [sample for sample in samples if sample.meta["kind"] == kind]


def _question(sample: Sample) -> str:
    return sample.conversation[0].text


@pytest.mark.parametrize("split", SPLITS)
def test_every_count_is_the_number_of_labels(split: Split) -> None:
    found = Counter(
        (s.meta["label"], s.answers) for s in _kind(_many(PORT, split), "count")
    )
    assert found["airplane", ("3",)] == found["bridge", ("1",)] == 60
    others = {
        key: n for key, n in found.items() if key[0] not in ("airplane", "bridge")
    }
    assert {answers for _, answers in others} == {("0",)}
    assert 15 < sum(others.values()) < 45  # about half of the images


def test_presence_is_balanced_in_training_and_complete_in_test() -> None:
    train = _kind(compose(PORT, "train"), "presence")
    answers = {s.meta["label"]: s.answers[0] for s in train}
    assert answers.pop("airplane") == answers.pop("bridge") == "yes"
    assert list(answers.values()) == ["no", "no"]
    test = _kind(compose(PORT, "test"), "presence")
    assert {s.meta["label"]: s.answers[0] for s in test} == {
        name.replace("_", " "): "yes" if name in ("airplane", "bridge") else "no"
        for name in VHR10
    }


def test_absent_classes_follow_the_frequency() -> None:
    frequency = {"ship": 90, "vehicle": 10}
    drawn = Counter(
        sample.meta["label"]
        for number in range(300)
        for sample in compose(
            replace(PORT, name=f"{number}.webp"), "train", frequency=frequency
        )
        if sample.meta["kind"] == "count" and sample.answers == ("0",)
    )
    assert drawn["ship"] / sum(drawn.values()) == pytest.approx(0.86, abs=0.08)
    assert drawn["vehicle"] > 0


def test_objects_and_caption_name_what_is_there() -> None:
    (objects,) = _kind(compose(PORT, "train"), "objects")
    assert objects.answers == ("airplanes and a bridge",)
    (caption,) = _kind(compose(PORT, "train"), "caption")
    assert set(caption.answers) == {
        "An aerial image with airplanes and a bridge.",
        "An overhead view of airplanes and a bridge.",
        "This aerial image shows airplanes and a bridge.",
        "The image shows airplanes and a bridge.",
        "Seen from above: airplanes and a bridge.",
    }
    assert caption.conversation[1].text == caption.answers[0]


def test_grounding_holds_the_asked_objects_and_no_reply() -> None:
    samples = _kind(_many(PORT, "test"), "ground")
    assert all(len(s.conversation) == 1 and s.task == "ground" for s in samples)
    by_label = {s.meta["label"]: s for s in samples}
    assert [t.hbb[0] for t in by_label["airplane"].targets] == [0, 10, 20]
    assert by_label["airplane"].targets[0].polygons == ((0, 5, 4, 5, 4, 9),)
    assert by_label["airplane"].meta["single_instance"] is False
    assert by_label["bridge"].meta["single_instance"] is True
    negatives = [s for s in samples if s.meta["label"] not in ("airplane", "bridge")]
    assert 15 < len(negatives) < 45
    assert {(s.targets, s.meta["single_instance"]) for s in negatives} == {((), False)}
    assert all("single_instance" not in s.meta for s in compose(PORT, "train"))


def test_several_objects_are_never_asked_for_in_the_singular() -> None:
    for split in SPLITS:
        samples = _kind(_many(PORT, split), "ground")
        many = {_question(s) for s in samples if s.meta["label"] == "airplane"}
        one = {_question(s) for s in samples if s.meta["label"] == "bridge"}
        singular = r"\bthe (airplane|aeroplane|plane|bridge)\b"
        assert not [q for q in many if re.search(singular, q)]
        assert [q for q in one if re.search(singular, q)]


def test_detection_holds_everything_once() -> None:
    (sample,) = _kind(compose(PORT, "val"), "detect")
    assert sample.task == "detect"
    assert len(sample.targets) == 4
    assert sample.meta["labels"] == [name.replace("_", " ") for name in VHR10]
    assert len(sample.conversation) == 1


def test_scene_answers_are_canonical() -> None:
    samples = _many(WOOD, "train")
    for kind in ("scene", "scene-options"):
        found = {(s.task, s.answers) for s in _kind(samples, kind)}
        assert found == {("classify", ("residential area",))}
    assert all(s.conversation[1].text == s.answers[0] for s in samples)


def test_options_are_listed_shuffled_and_hold_the_answer() -> None:
    names = {
        "grassland", "farmland", "industrial area", "river or lake", "forest",
        "residential area", "parking lot",
    }  # fmt: skip
    train = _kind(_many(WOOD, "train"), "scene-options")
    for sample in train:
        options = sample.meta["options"]
        assert f"one of: {', '.join(options)}" in _question(sample)
        assert "residential area" in options
        assert len(set(options)) == len(options) >= 3
        assert set(options) <= names
    assert len({s.meta["options"].index("residential area") for s in train}) > 4
    assert {len(s.meta["options"]) for s in train} == {3, 4, 5, 6, 7}
    for sample in _kind(_many(WOOD, "test"), "scene-options"):
        assert set(sample.meta["options"]) == names


def test_scene_presence_asks_once_for_the_class_and_once_for_another() -> None:
    for number in range(20):
        record = replace(WOOD, name=f"{number}.webp")
        yes, no = _kind(compose(record, "train"), "scene-presence")
        assert (yes.meta["label"], yes.answers) == ("residential area", ("yes",))
        assert no.meta["label"] != "residential area"
        assert no.answers == ("no",)


@pytest.mark.parametrize("record", [PORT, WOOD])
def test_each_split_asks_in_wordings_of_its_own(record: Record) -> None:
    def wordings(split: Split) -> set[str]:
        # Options and nouns are blanked; what is left is the wording.
        found = set()
        for sample in _many(record, split):
            text = re.sub(r"one of: [a-z, ]+", "one of", _question(sample))
            if phrase := sample.meta.get("phrase"):
                text = text.replace(plural_of(phrase), "X").replace(phrase, "X")
            found.add(text)
        return found

    train, val, test = map(wordings, SPLITS)
    assert not train & val
    assert not (train | val) & test
    assert len(train) > 30


@pytest.mark.parametrize("kind", QUESTIONS)
def test_tables_are_disjoint_and_large_enough(kind: str) -> None:
    enough = 16 if kind == "ground" else 10
    tables = [QUESTIONS[kind]]
    if kind.startswith("ground"):
        tables = [QUESTIONS["ground-one"], QUESTIONS["ground-many"]]
    assert sum(map(len, tables)) >= enough
    bare = {
        split: [re.sub(r"[^\w{}]", "", t.lower()) for t in table[kind]]
        for split, table in WORDINGS.items()
    }
    assert len(bare["val"]) == 2
    assert len(bare["test"]) == 3
    # Some of the training wordings differ by case and marks only.
    assert len(set(bare["train"])) >= len(bare["train"]) - 3
    for one, other in itertools.combinations(bare.values(), 2):
        assert not set(one) & set(other)


def test_no_text_names_a_side_and_every_article_fits() -> None:
    # Training flips images, and "a airplanes" is no English.
    # A side of the image is only named where training turns it with the image.
    turned = {"the-side", "the-beside", "chain-side"}
    others = {"options": "x, y", "what": "water", "given": "[]", "other": "bridge"}
    others["others"] = "bridges"
    texts = [
        fill(template, noun, **others)
        for table in WORDINGS.values()
        for kind, templates in table.items()
        if kind not in turned
        for template in templates
        for name in (SCENES if kind.startswith("scene") else OBJECTS)
        for noun in words_for(name)
    ]
    texts += [
        turn.text
        for s in _many(PORT, "train", 5)
        for turn in s.conversation
        if "side" not in s.meta
    ]
    texts += [text for table in phrases.CLASS_CAPTIONS.values() for text in table]
    texts += [text for s in _many(WOOD, "train", 5) for text in s.answers]
    for text in texts:
        side = r"\b(left|right|top|bottom|upper|lower|north|south|east|west)\b"
        assert not re.search(side, text), text
        assert not re.search(
            r"\ba (?!one)[aeiou]|\ban [^aeiou]", text, re.IGNORECASE
        ), text
        assert not re.search(r"[{}_]|  ", text), text
        assert not re.search(r"\ban? (grass|farm|crop|wood)land\b", text), text
        assert "crafts" not in text, text
        plurals = "|".join(label.plural for label in OBJECTS.values())
        assert not re.search(rf"\b(an?|is the|every|each) ({plurals})\b", text), text


def test_every_noun_is_understood_and_leaves_the_answer_true() -> None:
    for name in (*OBJECTS, *SCENES):
        nouns = words_for(name)
        assert nouns[0] == name
        assert {canonical(noun) for noun in nouns} == {name}
    # Not every vehicle is a truck: counting trucks by vehicles would be wrong.
    assert words_for("vehicle") == ("vehicle", "car", "automobile")
    assert words_for("chimney") == ("chimney",)


def test_captions_of_a_class_are_four_to_six() -> None:
    for name in SCENES:
        captions = [*phrases.SCENE_CAPTIONS, *phrases.CLASS_CAPTIONS[name]]
        assert 4 <= len(captions) <= 6
        fields = {field for c in captions for _, field, _, _ in Formatter().parse(c)}
        assert fields <= {None, "a"}
    (sample,) = _kind(compose(WOOD, "train"), "caption")
    assert "A residential area seen from above." in sample.answers


def test_samples_are_complete() -> None:
    sample = compose(PORT, "val")[0]
    assert sample.schema_ == "rsvlm.sample/1"
    assert (sample.source, sample.licence, sample.split) == ("vhr10", "terms", "val")
    image = sample.images[0]
    assert image.path == "images/vhr10/001.webp"
    assert (image.width, image.height, image.sensor) == (200, 100, "optical")
    # printf pixels | sha256sum
    assert image.sha256 is not None
    assert image.sha256.startswith("6ec9c2")


@pytest.mark.parametrize("record", [PORT, WOOD])
def test_the_same_seed_gives_the_same_samples(record: Record) -> None:
    first, again = compose(record, "train", 3), compose(record, "train", 3)
    assert first == again
    assert first != compose(record, "train", 4)
    ids = [sample.id for sample in first]
    assert len(set(ids)) == len(ids)


def test_images_differ_in_wording() -> None:
    asked = {_question(s) for s in _kind(_many(WOOD, "train"), "scene")}
    assert len(asked) > 8


def test_an_image_without_objects_gets_no_untrue_text() -> None:
    samples = compose(replace(PORT, targets=()), "train")
    assert not _kind(samples, "objects")
    assert not _kind(samples, "caption")
    (detect,) = _kind(samples, "detect")
    assert detect.targets == ()
