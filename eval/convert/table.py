"""The converters by name: what each reads, and under what terms.

A converter writes one file, ``<name>.jsonl``; benchmarks pick their part of it by
``data.where``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rsvlm.eval.convert import (
    amfmn,
    choice,
    earthreason,
    geochat,
    karpathy,
    lhrs_bench,
    lrsvqa,
    mme_realworld,
    needle,
    neon,
    nwpu_captions,
    optical_sar,
    places,
    refsegrs,
    rrsisd,
    rsieval,
    rsvg,
    rsvqa,
    rswk,
    sarlang,
    scenes,
    vhr10,
    vrsbench,
    xlrs,
)
from rsvlm.samples import Sample

Convert = Callable[[Path], Iterator[Sample]]
Pictures = Callable[[Path], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True)
class Converter:
    """One upstream layout.

    Attributes:
        convert: Yields the samples of an unpacked folder; image paths are relative to
            that folder, or, with ``pictures``, to the folder that is written.
        what: Layout, in a line.
        licence: Terms of the data.
        pictures: Yields path and bytes of images that have to be made, where they do
            not lie in the folder as files.
    """

    convert: Convert
    what: str
    licence: str
    pictures: Pictures | None = None


CONVERTERS: dict[str, Converter] = {
    "rsicd": Converter(
        karpathy.rsicd, "dataset_rsicd.json (Karpathy) and images", karpathy.LICENCE
    ),
    "rsitmd": Converter(
        karpathy.rsitmd, "dataset_RSITMD.json (Karpathy) and images", karpathy.LICENCE
    ),
    "ucm-captions": Converter(
        karpathy.ucm_captions, "dataset.json (Karpathy) and imgs/", karpathy.LICENCE
    ),
    "sydney-captions": Converter(
        karpathy.sydney_captions, "dataset.json (Karpathy) and imgs/", karpathy.LICENCE
    ),
    "nwpu-captions": Converter(
        nwpu_captions.convert,
        "dataset_nwpu.json and NWPU_images/",
        nwpu_captions.LICENCE,
    ),
    "amfmn": Converter(
        amfmn.convert, "{split}_caps*.txt, {split}_filename*.txt, images", amfmn.LICENCE
    ),
    "rsvqa": Converter(
        rsvqa.convert,
        "{LR,USGS}_split_*_{questions,answers}.json, Images_LR/, Data/",
        "; ".join(rsvqa.LICENCE.values()),
    ),
    "dior-rsvg": Converter(
        rsvg.dior_rsvg,
        "Annotations/*.xml, {train,val,test}.txt, JPEGImages/",
        rsvg.LICENCE["dior-rsvg"],
    ),
    "rsvg": Converter(
        rsvg.rsvg, "as dior-rsvg (assumed), images in Image/", rsvg.LICENCE["rsvg"]
    ),
    "vrsbench": Converter(
        vrsbench.convert,
        "VRSBench_EVAL_{Cap,vqa,referring}.json, Images_val/",
        vrsbench.LICENCE,
    ),
    "geochat": Converter(
        geochat.convert,
        "GeoChat-Bench *.jsonl, images; RSVQA's answers for lrben, hrben",
        geochat.LICENCE,
    ),
    "rrsisd": Converter(
        rrsisd.convert,
        "rrsisd/{refs(unc).p,instances.json}, images/rrsisd/JPEGImages/",
        rrsisd.LICENCE,
    ),
    "refsegrs": Converter(
        refsegrs.convert,
        "output_phrase_{split}.txt, images/, masks/",
        refsegrs.LICENCE,
    ),
    "earthreason": Converter(
        earthreason.convert, "{split}/{images,labels,QAs}/", earthreason.LICENCE
    ),
    "lrsvqa": Converter(
        lrsvqa.convert, "LRS_VQA_merged.jsonl and image/", lrsvqa.LICENCE
    ),
    "mme-realworld": Converter(
        mme_realworld.convert,
        "MME_RealWorld.json and images (remote sensing part)",
        mme_realworld.LICENCE,
    ),
    "xlrs": Converter(
        xlrs.convert, "columns of XLRS-Bench as JSON, images as files", xlrs.LICENCE
    ),
    "choice": Converter(
        choice.convert, "<task>/<task>.json and images/, masks/", choice.LICENCE
    ),
    "rsieval": Converter(
        rsieval.convert, "RSIEval/annotations.json and images/", rsieval.LICENCE
    ),
    "lhrs-bench": Converter(
        lhrs_bench.convert, "one JSON with qtype and data, images", lhrs_bench.LICENCE
    ),
    "rswk": Converter(rswk.convert, "task files of RS-RAG and images", rswk.LICENCE),
    "aid": Converter(scenes.aid, "30 folders of images", scenes.LICENCE["aid"]),
    "ucmerced": Converter(
        scenes.ucmerced, "21 folders of images", scenes.LICENCE["ucmerced"]
    ),
    "whu-rs19": Converter(
        scenes.whu_rs19, "19 folders of images", scenes.LICENCE["whu-rs19"]
    ),
    "eurosat": Converter(
        scenes.eurosat, "10 folders of images (RGB)", scenes.LICENCE["eurosat"]
    ),
    "resisc45": Converter(
        scenes.resisc45, "45 folders of images", scenes.LICENCE["resisc45"]
    ),
    "sarlang-1m": Converter(
        sarlang.convert,
        "Text/caption/*.csv, Text/VQA/test/*.json (columns assumed), SARimages/",
        sarlang.LICENCE,
    ),
    "vhr10-seg": Converter(
        vhr10.reasoning,
        "ours: vhr10/instances_test.json, images_test.tar",
        vhr10.LICENCE,
        vhr10.pictures,
    ),
    "needle-in-a-scene": Converter(
        needle.convert,
        "ours: vhr10/instances_test.json, images_test.tar (writes about 100 MB)",
        vhr10.LICENCE,
        needle.pictures,
    ),
    "neon-trees": Converter(
        neon.convert,
        "ours: scenes/neon_yell_2019.{jpg,xml}",
        neon.LICENCE,
        neon.pictures,
    ),
    "place-questions": Converter(
        places.convert,
        "ours: scenes/*.tif and optical_sar/ (San Antonio)",
        "Copernicus, USGS, NEON; one scene research only: see each sample",
        places.pictures,
    ),
    "optical-sar-retrieval": Converter(
        optical_sar.convert,
        "ours: optical_sar/tiles.json, {optical,sar}_test.tar",
        optical_sar.LICENCE,
        optical_sar.pictures,
    ),
}
