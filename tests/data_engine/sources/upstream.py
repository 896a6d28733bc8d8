"""Tiny data sets in their upstream form, one function a source."""

import csv
import json
import pickle
import tarfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rsvlm.samples import Split

Make = Callable[[Any], None]

CORNERS = (4, 0, 8, 2, 4, 4, 0, 2)
_NAMES = ("left_top", "right_top", "right_bottom", "left_bottom")
ROBNDBOX = "\n".join(
    f"<{axis}_{name}>{CORNERS[2 * n + k]}</{axis}_{name}>"
    for n, name in enumerate(_NAMES)
    for k, axis in enumerate("xy")
)


def _coco(names: Mapping[int, str], masks: bool = False) -> dict[str, Any]:
    return {
        "info": {"description": "tiny"},
        "images": [
            {"id": i, "file_name": name, "width": 8, "height": 6}
            for i, name in names.items()
        ],
        "annotations": [
            {"id": 10 + i, "image_id": i, "category_id": 1, "iscrowd": 0, "area": 6,
             "bbox": [1, 2, 4, 3], "segmentation": [[1, 2, 5, 2, 5, 5]]}
            for i in names
        ],
        "categories": [{"id": 1, "name": "ship", "supercategory": "none"}],
    }  # fmt: skip


def voc(name: str, label: str, extra: str = "") -> str:
    """Return a VOC file of one object, an element a line."""
    return (
        f"<annotation>\n<filename>{name}</filename>\n<size><width>8</width></size>\n"
        f"<object>\n<name>{label}</name>\n<bndbox>\n<xmin>1</xmin>\n<ymin>2</ymin>\n"
        f"<xmax>5</xmax>\n<ymax>6</ymax>\n</bndbox>\n{extra}</object>\n</annotation>\n"
    )


def _tar(path: Path, files: Mapping[str, bytes], mode: str) -> None:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, BytesIO(data))


def _encoded(width: int, height: int, form: str, value: int = 90) -> bytes:
    data = BytesIO()
    Image.new("RGB", (width, height), (value, 120, 60)).save(data, format=form)
    return data.getvalue()


def _vhr10(tree: Any) -> None:
    for part in ("train", "test"):
        names = {i: f"{i:03d}.webp" for i in range(1, 4)}
        tree.json(f"instances_{part}.json", _coco(names))
        files = {name: _encoded(8, 6, "WEBP") for name in names.values()}
        _tar(tree.at(f"images_{part}.tar"), files, "w")


def _rsscn7(tree: Any) -> None:
    names = [f"a{number:03d}.webp" for number in range(30)]
    rows = [("name", "class", "split"), *((name, "grass", "train") for name in names)]
    with tree.at("labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    files = {name: _encoded(8, 6, "WEBP") for name in names}
    _tar(tree.at("images_train.tar"), files, "w")


def _sar_acd(tree: Any) -> None:
    rows = [("name", "class", "group", "label_conflict", "split")]
    rows += [(f"A220/{n}.jpg", "A220", f"g{n}", "0", "train") for n in range(8)]
    with tree.at("labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    files = {f"A220/{n}.jpg": _encoded(8, 6, "JPEG") for n in range(8)}
    _tar(tree.at("images.tar.gz"), files, "w:gz")


def geotiff(path: Path, bands: int = 1, side: int = 16, value: float = -9.0) -> None:
    """Write a GeoTIFF of 10 m in UTM zone 30 N."""
    import rasterio
    from rasterio.transform import from_origin

    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=side, width=side,
        dtype="float32", crs="EPSG:32630", transform=from_origin(5e5, 4e6, 10, 10),
    ) as dataset:  # fmt: skip
        dataset.write(np.full((bands, side, side), value, np.float32))


def _floods(tree: Any) -> None:
    geotiff(tree.at("sen1floods11_Spain_7370579_S1.tif"), 2)
    geotiff(tree.at("sen1floods11_Spain_7370579_label.tif"), value=1)


def _sen1floods11(tree: Any) -> None:
    hand = "data/flood_events/HandLabeled"
    geotiff(tree.at(f"{hand}/S1Hand/Ghana_1_S1Hand.tif"), 2)
    geotiff(tree.at(f"{hand}/S2Hand/Ghana_1_S2Hand.tif"), 13)
    geotiff(tree.at(f"{hand}/LabelHand/Ghana_1_LabelHand.tif"), value=1)
    tree.text(
        "splits/flood_handlabeled/flood_train_data.csv",
        "Ghana_1_S1Hand.tif,Ghana_1_LabelHand.tif\n",
    )


def _xview3(tree: Any) -> None:
    for band in ("VV", "VH"):
        geotiff(tree.at(f"validation/s1/{band}_dB.tif"))
    head = (
        "detect_lat,detect_lon,vessel_length_m,source,detect_scene_row,"
        "detect_scene_column,is_vessel,is_fishing,distance_from_shore_km,scene_id,"
        "confidence,top,left,bottom,right,detect_id\n"
    )
    line = "1.0,2.0,60.0,ais,5,6,True,,3.5,s1,HIGH,3.0,4.0,8.0,9.0,s1_5_6\n"
    tree.text("validation.csv", head + line)


def _coco_source(tree: Any) -> None:
    tree.image("images/a.png")
    tree.json("labels_train.json", _coco({0: "a.png"}))


def _hrsid(tree: Any) -> None:
    tree.image("JPEGImages/P0001.jpg")
    tree.json("annotations/train2017.json", _coco({0: "P0001.jpg"}))


def _voc(tree: Any) -> None:
    tree.image("a.png")
    tree.text("a.xml", voc("a.png", "Tree"))


def _dior(tree: Any) -> None:
    tree.image("JPEGImages-trainval/00001.jpg")
    tree.text("ImageSets/Main/train.txt", "00001\n")
    turned = f"<robndbox>\n{ROBNDBOX}\n</robndbox>\n"
    text = voc("00001.jpg", "storagetank", turned)
    tree.text("Annotations/Oriented Bounding Boxes/00001.xml", text)


def _ssdd(tree: Any) -> None:
    ring = "".join(
        f"<{axis}{n + 1}>{CORNERS[2 * n + k]}</{axis}{n + 1}>\n"
        for n in range(4)
        for k, axis in enumerate("xy")
    )
    base = "RBox_SSDD/voc_style"
    tree.image(f"{base}/JPEGImages_train/000002.jpg")
    text = voc("000002.jpg", "ship", f"<rotated_bndbox>\n{ring}</rotated_bndbox>\n")
    tree.text(f"{base}/Annotations_train/000002.xml", text)


def _dota(tree: Any) -> None:
    tree.image("train/images/P0001.png")
    tree.text(
        "train/labelTxt/P0001.txt",
        "imagesource:GoogleEarth\ngsd:0.15\n4.0 0 8 2 4 4 0 2 plane 0\n"
        "1 1 5 1 5 3 1 3 small-vehicle 1\n",
    )


def _fair1m(tree: Any) -> None:
    tree.image("train/part1/images/0.tif")
    points = "\n".join(
        f"<point>{x},{y}</point>"
        for x, y in zip(CORNERS[::2], CORNERS[1::2], strict=True)
    )
    tree.text(
        "train/part1/labelXmls/0.xml",
        "<annotation>\n<source><filename>0.tif</filename></source>\n<objects>\n<object>\n"
        "<coordinate>pixel</coordinate>\n<type>rectangle</type>\n<possibleresult>\n"
        f"<name>A220</name>\n</possibleresult>\n<points>\n{points}\n</points>\n"
        "</object>\n</objects>\n</annotation>\n",
    )


def _dior_rsvg(tree: Any) -> None:
    tree.image("JPEGImages/00001.jpg")
    text = voc("00001.jpg", "ship", "<description>The left ship</description>\n")
    tree.text("Annotations/00001.xml", text)
    tree.text("train.txt", "0\n")


def _rrsisd(tree: Any) -> None:
    tree.image("images/rrsisd/JPEGImages/00001.jpg")
    reference = {
        "ref_id": 9, "image_id": 1, "ann_id": 11, "split": "train", "category_id": 1,
        "file_name": "00001.jpg", "sent_ids": [1],
        "sentences": [{"raw": "The tank on the left.", "sent": "the tank on the left",
                       "tokens": ["the", "tank"], "sent_id": 1}],
    }  # fmt: skip
    tree.at("rrsisd/refs(unc).p").write_bytes(pickle.dumps([reference], 2))
    tree.json("rrsisd/instances.json", _coco({1: "00001.jpg"}))


def _refsegrs(tree: Any) -> None:
    tree.image("images/7.tif")
    tree.mask("masks/7.tif", 255 * np.eye(6, 8))
    tree.text("output_phrase_train.txt", "7 road markings\n7 vehicle in the parking\n")


def _earthreason(tree: Any) -> None:
    tree.image("train/images/a.jpg")
    tree.mask("train/labels/a.png", 255 * np.eye(6, 8))
    tree.json(
        "train/QAs/a.json",
        {"questions": ["Where do boats land?"], "answer": ["It is the pier."]},
    )


def _karpathy(tree: Any) -> None:
    tree.image("images/airport_1.jpg")
    sentence = {"raw": "many planes .", "tokens": ["many"], "sentid": 0, "imgid": 0}
    tree.json(
        "dataset_rsicd.json",
        {
            "dataset": "rsicd",
            "images": [
                {"filename": "airport_1.jpg", "imgid": 0, "sentids": [0],
                 "sentences": [sentence], "split": "train"}
            ],
        },
    )  # fmt: skip


def _nwpu(tree: Any) -> None:
    tree.image("NWPU_images/lake/lake_1.jpg")
    entry = {"filename": "lake_1.jpg", "imgid": 0, "split": "train", "raw": "a lake",
             "raw_1": "blue water"}  # fmt: skip
    tree.json("dataset_nwpu.json", {"lake": [entry]})


def _amfmn(tree: Any) -> None:
    tree.image("images/lake_1.jpg")
    tree.text("rsicd_precomp/train_caps.txt", "one\ntwo\nthree\nfour\nfive\n")
    tree.text("rsicd_precomp/train_filename.txt", "lake_1.jpg\n")


def _rsvqa(prefix: str, folder: str) -> Make:
    def make(tree: Any) -> None:
        tree.image(f"{folder}/7.tif", 16, 16)
        question = {"id": 0, "img_id": 7, "people_id": 1, "type": "presence",
                    "question": "Is there a road?", "answers_ids": [3], "active": True}  # fmt: skip
        answer = {"id": 3, "question_id": 0, "people_id": 1, "answer": "yes",
                  "active": True}  # fmt: skip
        tree.json(f"{prefix}_split_train_questions.json", {"questions": [question]})
        tree.json(f"{prefix}_split_train_answers.json", {"answers": [answer]})

    return make


def _lrsvqa(tree: Any) -> None:
    tree.image("image/P1.png")
    line = {"question_id": "FAIR_1", "image": "P1.png", "text": "What is it?",
            "ground_truth": "ship", "category": "object category"}  # fmt: skip
    tree.text("LRS_VQA_merged.jsonl", json.dumps(line) + "\n" + json.dumps(line) + "\n")


def _sarlang(tree: Any) -> None:
    tree.image("SARimages/s.png")
    tree.text("Text/caption/Caption_train.csv", "image,caption\ns.png,A bright ship.\n")
    pair = {"image": "s.png", "question": "What is it?", "answer": "ship"}
    tree.json("Text/VQA/train/SARVQA1_train.json", [pair])


def _talks(file: str, *turns: str) -> Make:
    def make(tree: Any) -> None:
        tree.image("images/P1.png", 20, 10)
        said = [
            {"from": ("human", "gpt")[number % 2], "value": text}
            for number, text in enumerate(turns)
        ]
        tree.json(file, [{"id": "P1", "image": "P1.png", "conversations": said}])

    return make


def _classes(count: int, listed: str = "") -> Make:
    def make(tree: Any) -> None:
        for number in range(count):
            tree.image(f"Class{number}/c{number}.jpg")
        if listed:
            names = "\n".join(f"c{number}.jpg" for number in range(count))
            tree.text(f"{listed}-train.txt", names + "\n")

    return make


def _maps(tree: Any) -> None:
    import rasterio
    from rasterio.transform import from_origin

    grid = {"crs": "EPSG:32630", "transform": from_origin(5e5, 4e6, 1, 1)}
    for name, count, kind, value in (
        ("images/a.tif", 3, "uint8", 90),
        ("landcover/w.tif", 1, "uint8", 10),
    ):
        with rasterio.open(
            tree.at(name), "w", driver="GTiff", width=512, height=512, count=count,
            dtype=kind, compress="deflate", **grid,
        ) as dataset:  # fmt: skip
            dataset.write(np.full((count, 512, 512), value, np.uint8))
    tree.text(
        "town.osm",
        '<osm version="0.6">\n'
        + "".join(
            f'<node id="{n}" lat="{36.144 - 0.0004 * (n > 2)}" '
            f'lon="{-2.9985 + 0.0006 * (n in (2, 3))}"/>\n'
            for n in range(1, 5)
        )
        + '<way id="1">\n'
        + "".join(f'<nd ref="{n}"/>\n' for n in (1, 2, 3, 4, 1))
        + '<tag k="natural" v="water"/>\n</way>\n</osm>\n',
    )


#: Source -> what writes it, and a split that has records then.
UPSTREAM: dict[str, tuple[Make, Split]] = {
    "vhr10": (_vhr10, "test"),
    "rsscn7": (_rsscn7, "train"),
    "sar_acd": (_sar_acd, "train"),
    "floods": (_floods, "val"),
    "sen1floods11": (_sen1floods11, "train"),
    "xview3": (_xview3, "train"),
    "coco": (_coco_source, "train"),
    "hrsid": (_hrsid, "train"),
    "voc": (_voc, "train"),
    "dior": (_dior, "train"),
    "ssdd": (_ssdd, "train"),
    "dota": (_dota, "train"),
    "fair1m": (_fair1m, "train"),
    "dior-rsvg": (_dior_rsvg, "train"),
    "rrsis-d": (_rrsisd, "train"),
    "refsegrs": (_refsegrs, "train"),
    "earthreason": (_earthreason, "train"),
    "rsicd": (_karpathy, "train"),
    "rsitmd": (_karpathy, "train"),
    "ucm-captions": (_karpathy, "train"),
    "sydney-captions": (_karpathy, "train"),
    "nwpu-captions": (_nwpu, "train"),
    "retrieval-captions": (_amfmn, "train"),
    "rsvqa-lr": (_rsvqa("LR", "Images_LR"), "train"),
    "rsvqa-hr": (_rsvqa("USGS", "Data"), "train"),
    "lrs-vqa": (_lrsvqa, "test"),
    "sarlang-1m": (_sarlang, "train"),
    "geochat-instruct": (
        _talks(
            "GeoChat_Instruct.json",
            "<image>\n[refer] where is <p>the ship</p>?",
            "{<10><20><50><60>|<0>}",
        ),
        "train",
    ),
    "vrsbench": (
        _talks(
            "VRSBench_train.json",
            "<image>\n[refer] <p>The ship</p>",
            "{<10><20><50><60>}",
        ),
        "train",
    ),
    "sarchat": (
        _talks("SARChat_train.json", "<image>How many ships?", "There are 2 ships."),
        "train",
    ),
    "eurosat": (_classes(10, "eurosat"), "train"),
    "ucmerced": (_classes(21, "uc_merced"), "train"),
    "resisc45": (_classes(45, "resisc45"), "train"),
    "aid": (_classes(30), "train"),
    "whu-rs19": (_classes(19), "train"),
    "maps": (_maps, "train"),
}
