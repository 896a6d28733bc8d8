"""Terms of every source: what may be done with it, and whom to name.

What a source says of itself stands in its samples (``licence``); this table says what
follows from it. A source that is not in the table counts as not allowed for anything but
research, and the owner of own labels states their terms in the recipe.

Nothing here is legal advice: read the terms of a source before shipping what was trained
on it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rsvlm.errors import ParseError, SettingsError
from rsvlm.samples import SPLITS, read_samples

Use = Literal["commercial", "research"]
#: Terms of images that are crops of Google Earth, as their sets state or imply them.
GOOGLE = "crops of Google Earth, research only"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a source allows.

    Attributes:
        spdx: SPDX identifier, or ``LicenseRef-...`` where there is none.
        use: The widest use that it allows.
        attribution: What to write where something made of it is shown, "" for nothing.
    """

    spdx: str
    use: Use
    attribution: str = ""


def _research(what: str, spdx: str = "LicenseRef-research-only") -> Terms:
    return Terms(spdx, "research", what)


_COPERNICUS = "Contains modified Copernicus Sentinel data"
#: Source -> its terms.
TERMS: Mapping[str, Terms] = {
    "synthetic": Terms("CC0-1.0", "commercial"),
    "synthetic_chains": Terms("CC0-1.0", "commercial"),
    "synthetic_pairs": Terms("CC0-1.0", "commercial"),
    "optical_sar": Terms(
        "LicenseRef-Copernicus", "commercial", f"{_COPERNICUS} 2020"
    ),
    # Until the wording of NEON's data policy is verified.
    "neon": _research("Tree labels: DeepForest (MIT). Images: National Ecological "
                      "Observatory Network (NEON)"),
    "vhr10": _research("NWPU VHR-10: Cheng, Zhou, Han, IEEE TGRS 2016; labels MIT, "
                       "Copyright (c) 2019 chaozhong2010"),
    "rsscn7": _research(f"RSSCN7: Zou et al., IEEE GRSL 2015; {GOOGLE}"),
    "sar_acd": _research("SAR-ACD: Sun et al., IEEE TGRS 2022; owned by AIR-CAS and the "
                         "national high-resolution earth observation project"),
    "floods": _research(f"Sen1Floods11: Bonafilia et al., CVPRW 2020. {_COPERNICUS}"),
    "sen1floods11": _research(
        f"Sen1Floods11: Bonafilia et al., CVPRW 2020. {_COPERNICUS}"
    ),
    "dota": _research("DOTA: Xia et al., CVPR 2018; Ding et al., IEEE TPAMI 2021"),
    "dior": _research("DIOR: Li et al., ISPRS JPRS 2020; Cheng et al., IEEE TGRS 2022"),
    "dior-rsvg": _research("DIOR-RSVG: Zhan, Xiong, Yuan, IEEE TGRS 2023"),
    "rrsis-d": _research("RRSIS-D: Liu et al., CVPR 2024"),
    "refsegrs": _research("RefSegRS: Yuan et al., IEEE TGRS 2024; images of SkyScapes"),
    "earthreason": _research("EarthReason: Li et al., 2025, arXiv 2504.09644"),
    "fair1m": _research("FAIR1M: Sun et al., ISPRS JPRS 2022", "CC-BY-NC-SA-3.0"),
    "hrsid": _research("HRSID: Wei et al., IEEE Access 2020"),
    "ssdd": _research("SSDD: Zhang et al., Remote Sensing 2021"),
    "xview3": _research(f"xView3: Paolo et al., NeurIPS 2022. {_COPERNICUS}",
                        "CC-BY-NC-SA-4.0"),
    "synth": Terms("CC0-1.0", "commercial"),
    "synth-sar": Terms("CC0-1.0", "commercial"),
    "pasted": _research(f"NWPU VHR-10: Cheng, Zhou, Han, IEEE TGRS 2016; RSSCN7: Zou et "
                        f"al., IEEE GRSL 2015; {GOOGLE}"),
    "chains": _research("NWPU VHR-10: Cheng, Zhou, Han, IEEE TGRS 2016; RSSCN7: Zou et "
                        f"al., IEEE GRSL 2015; {GOOGLE}. {_COPERNICUS} 2020. NAIP: USDA"),
    # The images are the user's own: a recipe states their terms where they are others.
    "maps": Terms(
        "ODbL-1.0 AND CC-BY-4.0", "commercial",
        "© OpenStreetMap contributors. © ESA WorldCover project / Contains modified "
        "Copernicus Sentinel data (2021) processed by ESA WorldCover consortium. "
        "Places: GeoNames; airportsdata (MIT)",
    ),
    "rsicd": _research("RSICD: Lu, Wang, Zheng, Li, IEEE TGRS 2018"),
    "rsitmd": _research("RSITMD: Yuan et al., IEEE TGRS 2022"),
    "ucm-captions": _research("UCM-Captions: Qu, Li, Tao, Lu, CITS 2016"),
    "sydney-captions": _research("Sydney-Captions: Qu, Li, Tao, Lu, CITS 2016"),
    "nwpu-captions": _research("NWPU-Captions: Cheng et al., IEEE TGRS 2022"),
    "retrieval-captions": _research("the data set behind the files"),
    "rsvqa-lr": Terms("CC-BY-4.0", "commercial",
                      f"RSVQA: Lobry et al., IEEE TGRS 2020. {_COPERNICUS}"),
    "rsvqa-hr": Terms("CC-BY-4.0", "commercial",
                      "RSVQA: Lobry et al., IEEE TGRS 2020; images: USGS"),
    "lrs-vqa": _research("LRS-VQA: Luo et al., 2025, arXiv 2503.07588"),
    "sarlang-1m": _research("SARLANG-1M: Wei et al., 2025, arXiv 2504.03254"),
    "geochat-instruct": _research("GeoChat: Kuckreja et al., CVPR 2024"),
    "vrsbench": _research("VRSBench: Li, Ding, Elhoseiny, NeurIPS 2024"),
    "sarchat": _research("SARChat: Ma et al., 2025, arXiv 2502.08168",
                         "CC-BY-NC-4.0"),
    "aid": _research(f"AID: Xia et al., IEEE TGRS 2017; {GOOGLE}"),
    "ucmerced": Terms("LicenseRef-public-domain", "commercial",
                      "UC Merced Land Use: Yang, Newsam, ACM GIS 2010; images: USGS"),
    "whu-rs19": _research(f"WHU-RS19: Dai, Yang, IEEE GRSL 2011; {GOOGLE}"),
    "eurosat": Terms("MIT", "commercial",
                     f"EuroSAT: Helber et al., IEEE JSTARS 2019. {_COPERNICUS}"),
    "resisc45": _research(f"RESISC45: Cheng, Han, Lu, Proc. IEEE 2017; {GOOGLE}"),
    "bigearthnet": Terms("CDLA-Permissive-1.0", "commercial",
                         f"BigEarthNet-MM: Sumbul et al., IEEE GRSM 2021. {_COPERNICUS}"),
    "so2sat": Terms("CC-BY-4.0", "commercial",
                    f"So2Sat LCZ42: Zhu et al., IEEE GRSM 2020. {_COPERNICUS}"),
}  # fmt: skip


def require(use: Use | None, terms: Mapping[str, Terms | None]) -> None:
    """Refuse a use that a source does not allow.

    Args:
        use: What the samples are for; None for nothing stated.
        terms: Source -> its terms, None where they are not known.

    Raises:
        SettingsError: If a source does not allow it; names all of them.
    """
    if use is None:
        return
    barred = [
        f"{name} ({known.spdx if known else 'terms not known'})"
        for name, known in terms.items()
        if known is None or (use == "commercial" and known.use != "commercial")
    ]
    if barred:
        raise SettingsError(
            f"--use {use} does not fit {', '.join(barred)}. Leave these sources out of "
            "the recipe, or state 'licence' and 'use' of your own ones in it."
        )


def listed(
    folder: Path | None,
) -> tuple[dict[tuple[str, str], int], dict[str, Terms]]:
    """Return what a built folder holds, and the terms that its recipe states.

    Args:
        folder: A folder of JSONL files, with or without ``run.json``; None for every
            source of the table.

    Returns:
        (source, licence as the samples state it) -> samples; source -> terms.

    Raises:
        SettingsError: If there are no samples in the folder.
        ParseError: If a file is not valid.
    """
    if folder is None:
        return {(name, terms.spdx): 0 for name, terms in TERMS.items()}, {}
    files = [folder / f"{split}.jsonl" for split in SPLITS]
    present = [path for path in files if path.is_file()]
    present = present or sorted(folder.glob("*.jsonl"))
    if not present:
        raise SettingsError(
            f"There are no samples in {str(folder)!r}. Name a folder that rsvlm data "
            "build has written."
        )
    counts = Counter(
        (s.source, s.licence) for path in present for s in read_samples(path)
    )
    return dict(counts), _stated(folder / "run.json")


def _stated(path: Path) -> dict[str, Terms]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8")).get("terms") or {}
        return {name: Terms(**terms) for name, terms in fields.items() if terms}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ParseError(
            f"{path.name} is not what rsvlm data build writes ({error}). Build again."
        ) from None


def table(
    counts: Mapping[tuple[str, str], int], stated: Mapping[str, Terms]
) -> list[tuple[str, str, str, int, str]]:
    """Return source, SPDX, use, samples and licence text, by source.

    Args:
        counts: (source, licence as the samples state it) -> samples.
        stated: Terms that a recipe states for its own sources.
    """
    rows: list[tuple[str, str, str, int, str]] = []
    for (source, licence), count in sorted(counts.items()):
        known = stated.get(source) or TERMS.get(source)
        spdx, use = (known.spdx, known.use) if known else ("not known", "research")
        rows.append((source, spdx, use, count, licence))
    return rows


def attribution(sources: Iterable[str], stated: Mapping[str, Terms]) -> list[str]:
    """Return the lines that name whom the sources are owed to, each once, in order."""
    lines = Counter[str]()
    for source in sorted(set(sources)):
        known = stated.get(source) or TERMS.get(source)
        if known and known.attribution:
            lines[known.attribution] += 1
    return list(lines)
