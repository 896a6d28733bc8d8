"""Sources that read data sets as they are unpacked: COCO, DOTA, DIOR and their kin."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import SOURCES
from rsvlm.errors import ParseError, SettingsError

LINE = "4 0 8 2 4 4 0 2 {} 0\n"
VOC = (
    "<annotation><filename>x.jpg</filename>\n<object><name>{}</name><bndbox><xmin>1</xmin>"
    "<ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>{}</object></annotation>"
)
TURNED = "<robndbox>" + "".join(
    f"<{axis}_{corner}>{value}</{axis}_{corner}>"
    for corner, point in (
        ("left_top", (4, 0)), ("right_top", (8, 2)),
        ("right_bottom", (4, 4)), ("left_bottom", (0, 2)),
    )
    for axis, value in zip("xy", point, strict=True)
) + "</robndbox>"  # fmt: skip


def _read(name: str, root: Path, split: Split = "train") -> list[Record]:
    return list(SOURCES[name].read(root, split))


def _coco(tree: Any, path: str, *names: str, category: str = "ship") -> None:
    tree.json(
        path,
        {
            "images": [{"id": i, "file_name": n} for i, n in enumerate(names)],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 4, 3],
                 "segmentation": [[1, 2, 5, 2, 5, 5]]}
                for i in range(len(names))
            ],
            "categories": [{"id": 1, "name": category}, {"id": 2, "name": "Oil-tank"}],
        },
    )  # fmt: skip


def test_coco_splits_follow_the_names_of_the_files(tree: Any) -> None:
    for name in ("a", "b", "c"):
        tree.image(f"images/{name}.png")
    _coco(tree, "labels_train.json", "a.png")
    _coco(tree, "instances_val2017.json", "b.png")
    _coco(tree, "mine.json", "c.png")
    assert [r.name for r in _read("coco", tree.root)] == [
        "images-a.png",
        "images-c.png",
    ]
    (record,) = _read("coco", tree.root, "val")
    assert record.objects == ("ship", "oil tank")
    assert record.targets[0].hbb == (1, 2, 5, 5)
    assert record.image == (tree.root / "images/b.png").read_bytes()
    assert _read("coco", tree.root, "test") == []


def test_coco_refuses_an_image_of_two_files_and_of_another_size(tree: Any) -> None:
    tree.image("a.png", 8, 6)
    _coco(tree, "one.json", "a.png")
    _coco(tree, "two.json", "a.png")
    with pytest.raises(ParseError, match=r"two\.json, images\[0\]: .*one\.json"):
        _read("coco", tree.root)
    (tree.root / "two.json").unlink()
    text = (tree.root / "one.json").read_text()
    (tree.root / "one.json").write_text(
        text.replace('"file_name"', '"width": 9, "file_name"')
    )
    with pytest.raises(ParseError, match="has 8 x 6 pixels, not 9 x 6"):
        _read("coco", tree.root)


def test_hrsid_reads_each_split_once_as_radar(tree: Any) -> None:
    for name in ("a", "b"):
        tree.image(f"JPEGImages/{name}.jpg")
    _coco(tree, "annotations/train2017.json", "a.jpg")
    _coco(tree, "annotations/test2017.json", "b.jpg")
    _coco(tree, "annotations/train_test2017.json", "a.jpg", "b.jpg")
    (train,), (test,) = _read("hrsid", tree.root), _read("hrsid", tree.root, "test")
    assert (train.name, test.name) == ("JPEGImages-a.jpg", "JPEGImages-b.jpg")
    assert train.sensor == "sar"
    assert _read("hrsid", tree.root, "val") == []


def _dota(tree: Any, split: str, stem: str, *classes: str, header: str = "") -> None:
    tree.image(f"{split}/images/{stem}.png")
    text = header + "".join(LINE.format(name) for name in classes)
    tree.text(f"{split}/labelTxt/{stem}.txt", text)


def test_dota_splits_gsd_and_words(tree: Any) -> None:
    head = "imagesource:GoogleEarth\ngsd:0.15\n"
    _dota(tree, "train", "P0001", "plane", "small-vehicle", header=head)
    _dota(tree, "val", "P0002", "ship")
    (record,) = _read("dota", tree.root)
    assert [t.label for t in record.targets] == ["airplane", "small vehicle"]
    assert record.targets[0].polygons == ((4, 0, 8, 2, 4, 4, 0, 2),)
    assert record.gsd_m == 0.15
    assert record.meta == {"imagesource": "GoogleEarth"}
    assert len(record.objects) == 15
    assert [r.name for r in _read("dota", tree.root, "val")] == ["val-images-P0002.png"]
    assert _read("dota", tree.root, "test") == []


@pytest.mark.parametrize(
    ("classes", "count"),
    [(("ship",), 15), (("container-crane",), 16), (("helipad",), 18), (("hut",), 1)],
)
def test_dota_class_list_is_that_of_the_version(
    tree: Any, classes: tuple[str, ...], count: int
) -> None:
    _dota(tree, "train", "P1", *classes)
    (record,) = _read("dota", tree.root)
    assert len(record.objects) == count


def test_dota_upright_copies_are_left_and_two_versions_refused(tree: Any) -> None:
    _dota(tree, "train", "P1", "ship")
    tree.text("train/labelTxt-v1.5/DOTA-v1.5_train_hbb/P1.txt", LINE.format("ship"))
    assert len(_read("dota", tree.root)) == 1
    tree.text("train/labelTxt-v1.5/DOTA-v1.5_train/P1.txt", LINE.format("ship"))
    with pytest.raises(ParseError, match=r"label one image\. Keep the labels"):
        _read("dota", tree.root)


def test_dota_names_file_and_line_of_a_fault(tree: Any) -> None:
    _dota(tree, "train", "P1", "ship")
    tree.text("train/labelTxt/P1.txt", LINE.format("ship") + "4 0 8\n")
    with pytest.raises(ParseError, match=r"P1\.txt, line 2: 3 values"):
        _read("dota", tree.root)


def _dior(tree: Any, kind: str, extra: str = "") -> None:
    for split, stem in (("train", "00001"), ("val", "00002"), ("test", "00003")):
        part = "test" if split == "test" else "trainval"
        tree.image(f"JPEGImages-{part}/{stem}.jpg")
        tree.text(f"ImageSets/Main/{split}.txt", f"{stem}\n")
        text = VOC.format("storagetank", extra)
        tree.text(f"Annotations/{kind} Bounding Boxes/{stem}.xml", text)


def test_dior_takes_turned_boxes_where_they_are(tree: Any) -> None:
    _dior(tree, "Horizontal")
    (record,) = _read("dior", tree.root, "val")
    assert record.targets[0].hbb == (1, 2, 5, 6)
    assert record.targets[0].label == "storage tank"
    assert len(record.objects) == 20
    assert "expressway service area" in record.objects
    _dior(tree, "Oriented", TURNED)
    (record,) = _read("dior", tree.root, "test")
    assert record.targets[0].polygons == ((4, 0, 8, 2, 4, 4, 0, 2),)


def test_dior_list_names_its_line(tree: Any) -> None:
    _dior(tree, "Horizontal")
    tree.text("ImageSets/Main/train.txt", "00001\n\n00009\n")
    with pytest.raises(ParseError, match=r"train\.txt, line 3: there is no 00009\.xml"):
        _read("dior", tree.root)


def test_ssdd_prefers_turned_boxes(tree: Any) -> None:
    ring = "".join(
        f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>"
        for i, (x, y) in enumerate([(4, 0), (8, 2), (4, 4), (0, 2)], start=1)
    )
    for kind, extra in (
        ("BBox_SSDD", ""),
        ("RBox_SSDD", f"<rotated_bndbox>{ring}</rotated_bndbox>"),
    ):
        base = f"{kind}/voc_style"
        tree.image(f"{base}/JPEGImages_test/000001.jpg")
        tree.text(f"{base}/Annotations_test/000001.xml", VOC.format("ship", extra))
    (record,) = _read("ssdd", tree.root, "test")
    assert record.name == "RBox_SSDD-voc_style-JPEGImages_test-000001.jpg"
    assert (record.sensor, record.objects) == ("sar", ("ship",))
    assert record.targets[0].polygons == ((4, 0, 8, 2, 4, 4, 0, 2),)


def test_fair1m_parts_keep_their_images_apart(tree: Any) -> None:
    points = "".join(f"<point>{p}</point>" for p in ("4,0", "8,2", "4,4", "0,2"))
    text = (
        "<annotation><objects><object><coordinate>pixel</coordinate><possibleresult>"
        "<name>{}</name></possibleresult><points>" + points + "</points></object>"
        "</objects></annotation>"
    )
    for folder, name in (
        ("train/part1", "Dry Cargo Ship"),
        ("train/part2", "A220"),
        ("validation", "Van"),
    ):
        tree.image(f"{folder}/images/0.tif")
        tree.text(f"{folder}/labelXmls/0.xml", text.format(name))
    one, two = _read("fair1m", tree.root)
    assert (one.targets[0].label, two.targets[0].label) == ("dry cargo ship", "A220")
    assert (one.name, two.name) == (
        "train-part1-images-0.tif",
        "train-part2-images-0.tif",
    )
    assert len(one.objects) == 37
    (val,) = _read("fair1m", tree.root, "val")
    assert val.targets[0].label == "van"


def test_own_voc_labels_belong_to_the_image_of_their_stem(tree: Any) -> None:
    tree.image("a.png")
    tree.image("test/b.png")
    tree.text("a.xml", VOC.format("Tree", ""))
    tree.text("test/b.xml", VOC.format("shed", ""))
    (record,) = _read("voc", tree.root)
    assert (record.name, record.objects) == ("a.png", ("tree", "shed"))
    (record,) = _read("voc", tree.root, "test")
    assert record.targets[0].label == "shed"
    tree.text("c.xml", VOC.format("Tree", ""))
    with pytest.raises(ParseError, match=r"c\.xml: there is no image 'c'"):
        _read("voc", tree.root)


def test_neon_trains_on_one_place_and_tests_on_the_other(data_folder: Path) -> None:
    root = SOURCES["neon"].root(data_folder)
    (train,), (test,) = _read("neon", root), _read("neon", root, "test")
    assert (len(train.targets), len(test.targets)) == (574, 61)
    assert {t.label for t in train.targets} == {"tree"}
    assert (train.width, train.height, train.gsd_m) == (2299, 2472, 0.1)
    for record in (train, test):
        for target in record.targets:
            x0, y0, x1, y1 = target.hbb
            assert 0 <= x0 < x1 <= record.width
            assert 0 <= y0 < y1 <= record.height


def test_neon_without_files_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"neon_yell_2019\.xml"):
        _read("neon", tmp_path)


# --- expressions ----------------------------------------------------------------------


def test_dior_rsvg_asks_for_every_expression_of_an_image(tree: Any) -> None:
    tree.image("JPEGImages/1.jpg")
    objects = "".join(
        f"<object><name>ship</name><description>The {what} ship.</description><bndbox>"
        f"<xmin>{x}</xmin><ymin>1</ymin><xmax>{x + 2}</xmax><ymax>3</ymax></bndbox>"
        "</object>"
        for x, what in ((1, "left"), (4, "right"))
    )
    tree.text(
        "Annotations/1.xml",
        f"<annotation><filename>1.jpg</filename>{objects}</annotation>",
    )
    tree.text("train.txt", "0\n1\n")
    (record,) = _read("dior-rsvg", tree.root)
    one, two = record.questions
    assert "the left ship" in one.text
    assert one.text.count(".") <= 1
    assert (one.task, one.targets[0].hbb) == ("ground", (1, 1, 3, 3))
    assert two.targets[0].hbb == (4, 1, 6, 3)
    assert _read("dior-rsvg", tree.root) == [record]  # the wording is no chance


def test_refsegrs_phrases_bring_their_masks(tree: Any) -> None:
    tree.image("images/7.tif")
    pixels = np.zeros((6, 8), np.uint8)
    tree.mask("masks/7.tif", pixels + 255 * np.eye(6, 8, dtype=np.uint8))
    tree.text("output_phrase_val.txt", "7 road markings\n")
    (record,) = _read("refsegrs", tree.root, "val")
    (question,) = record.questions
    assert (question.task, question.kind) == ("segment", "expression")
    assert "road markings" in question.text
    assert question.mask is not None


def test_rrsisd_asks_every_sentence_of_a_reference(tree: Any) -> None:
    tree.image("images/rrsisd/JPEGImages/1.jpg")
    reference = {
        "ref_id": 9, "image_id": 1, "ann_id": 5, "split": "train",
        "sentences": [{"raw": "The tank on the left."}, {"raw": "a white tank"}],
    }  # fmt: skip
    tree.at("rrsisd/refs(unc).p").write_bytes(pickle.dumps([reference]))
    coco = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [
            {"id": 5, "category_id": 2, "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4]]}
        ],
        "categories": [{"id": 2, "name": "storagetank"}],
    }
    tree.json("rrsisd/instances.json", coco)
    (record,) = _read("rrsis-d", tree.root)
    one, two = record.questions
    assert "the tank on the left" in one.text
    assert "a white tank" in two.text
    assert one.mask == two.mask is not None
    tree.at("rrsisd/refs(unc).p").write_bytes(pickle.dumps([reference | {"ann_id": 6}]))
    with pytest.raises(ParseError, match=r"refs\(unc\)\.p\[0\]: 'ann_id'"):
        _read("rrsis-d", tree.root)


def test_earthreason_keeps_its_questions_and_explanations(tree: Any) -> None:
    for stem, answers in (("a", ["It is the pier."]), ("b", [])):
        tree.image(f"train/images/{stem}.jpg")
        tree.mask(f"train/labels/{stem}.png", np.eye(6, 8))
        tree.json(
            f"train/QAs/{stem}.json",
            {
                "questions": ["Where do boats land?", "Where to board?"],
                "answer": answers,
            },
        )
    there, not_there = _read("earthreason", tree.root)
    assert [q.text for q in there.questions] == [
        "Where do boats land?",
        "Where to board?",
    ]
    assert there.questions[0].answers == ("It is the pier.",)
    assert there.questions[0].mask is not None
    assert not_there.questions[0].mask is None
    assert not_there.questions[0].answers == ()


def test_an_empty_folder_says_what_is_missing(tree: Any) -> None:
    tree.text("notes.txt", json.dumps("nothing here"))
    for name in ("coco", "voc", "dota", "dior", "fair1m", "hrsid", "ssdd", "xview3",
                 "sen1floods11", "dior-rsvg", "rrsis-d", "refsegrs", "earthreason"):  # fmt: skip
        with pytest.raises(ParseError, match=r"There is no"):
            _read(name, tree.root)
