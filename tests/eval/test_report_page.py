"""The report of runs: Markdown, CSV and one HTML file."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import SettingsError
from rsvlm.eval.records import Prediction
from rsvlm.eval.report import read_runs, report_csv, report_markdown, write_report
from rsvlm.eval.report_page import report_page
from rsvlm.eval.results import read_run

SCORES = [1, 0, 1, 1, 0, 1, 1, 1]


class Page(HTMLParser):
    """Collects tags and checks that they close in order."""

    EMPTY = frozenset({"meta", "img", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def full_run(make_run: Any, name: str = "a", **fields: Any) -> Path:
    values = {
        "ci95": (0.5, 0.9), "baselines": {"majority": 0.25, "random": None},
        "groups": {"type=even": 0.75, "type=odd": 0.75}, "n_failed": 1, "n_unparsed": 2,
        "details": {"AA": 0.75, "warnings": ["6 % of the boxes lie outside."]},
        "plots": {
            "acc_iou": {"thresholds": [0.5, 0.7], "accuracy": [0.75, 0.5]},
            "confusion": {"labels": ["a", "b"], "counts": [[3, 1, 0], [0, 4, 0]]},
            "reliability": {"confidence": [0.5], "accuracy": [0.75], "count": [8]},
        },
    }  # fmt: skip
    folder: Path = make_run(name, SCORES, **(values | fields))
    return folder


def test_markdown_by_hand(make_run: Any) -> None:
    text = report_markdown([read_run(full_run(make_run))])
    row = (
        "| `exact` (primary) | 0.750 | 0.500 to 0.900 | 8 | 12.5% | 25.0% "
        "| majority 0.250 |"
    )
    assert row in text.splitlines()
    assert "- Note: exact: 6 % of the boxes lie outside." in text
    assert "type=even 0.750 (" in text
    assert ", n 4" in text


def test_csv_by_hand(make_run: Any) -> None:
    text = report_csv([read_run(full_run(make_run))])
    whole, even, odd = csv.DictReader(io.StringIO(text))
    assert (whole["part"], whole["value"], whole["n"]) == ("all", "0.75", "8")
    assert (whole["ci95_low"], whole["n_failed"]) == ("0.5", "1")
    assert whole["baselines"] == "majority=0.25"
    assert (even["part"], odd["part"]) == ("type=even", "type=odd")
    assert even["n"] == "4"
    assert float(even["ci95_low"]) < 0.75 < float(even["ci95_high"])


def test_the_page_is_whole_and_fetches_nothing(
    make_run: Any, image_folder: Path, tmp_path: Path
) -> None:
    files = write_report([full_run(make_run)], tmp_path, {"toy": image_folder})
    assert [file.name for file in files] == ["report.md", "table.csv", "report.html"]
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    tags = {tag for tag, _ in page.seen}
    assert not tags & {"script", "link", "iframe", "object", "img"}
    for tag, attributes in page.seen:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert re.match(r"#|data:image/webp;base64,", value or ""), (tag, value)
    assert "default-src 'none'" in text
    assert "url(" not in text
    for words in (
        "majority 0.250", "12.5%", "25.0%", "Accuracy over IoU threshold",
        "Confusion", "Reliability", "Worst 4", "Best 4", "run.json of a",
        "6 % of the boxes lie outside.", "By part, exact",
    ):  # fmt: skip
        assert words in text
    assert text.count("data:image/webp") == 8


def test_without_images_the_words_stay(make_run: Any) -> None:
    text = report_page([read_run(full_run(make_run))], {})
    assert "data:image" not in text
    assert "Question 0?" in text


def test_protocols_stand_side_by_side(make_run: Any) -> None:
    from rsvlm.eval.results import Result, write_results

    folder = full_run(make_run)
    fields = {"benchmark": "toy", "n": 8}
    results = [
        Result(**fields, protocol="exact", value=0.75, primary=True),
        Result(**fields, protocol="loose", value=0.875, legacy=True, groups={"a=b": 1}),
        Result(**fields, protocol="spice", value=None, details={"note": "No Java."}),
    ]
    write_results(folder / "toy" / "metrics.json", results)
    text = report_page([read_run(folder)], {})
    Page(text)
    assert "The same replies under each protocol" in text
    assert "loose (legacy)" in text
    assert "not available" in text
    assert "spice: No Java." in text
    assert "More about loose" in text


def test_an_error_is_marked_and_not_drawn_among_shares(make_run: Any) -> None:
    from rsvlm.eval.results import Result, write_results

    folder = full_run(make_run)
    fields = {"benchmark": "toy", "n": 8}
    results = [
        Result(**fields, protocol="exact", value=0.75, primary=True),
        Result(**fields, protocol="mae", value=0.5, details={"lower_is_better": True}),
    ]
    write_results(folder / "toy" / "metrics.json", results)
    run = read_run(folder)
    assert "| `mae` (lower is better) | 0.500 |" in report_markdown([run])
    text = report_page([run], {})
    assert "mae (lower is better)" in text
    assert "The same replies under each protocol" not in text


def test_risk_over_coverage_is_drawn(make_run: Any) -> None:
    curve = {"coverage": [0.5, 1.0], "risk": [0.1, 0.25]}
    folder = make_run("a", SCORES, plots={"risk_coverage": curve})
    assert "share answered 0.500, risk 0.100" in report_page([read_run(folder)], {})


def test_reliability_is_drawn_from_the_confidences(make_run: Any) -> None:
    scores = [1, 0] * 12
    text = report_page([read_run(make_run("a", scores))], {})
    assert "Reliability" in text
    assert "confidence 0.500, mean score 0.500" in text
    few = report_page([read_run(make_run("b", scores[:10]))], {})
    assert "Reliability" not in few


def test_two_runs_keep_their_names_apart(make_run: Any) -> None:
    folders = [full_run(make_run, "x/run"), full_run(make_run, "y/run", model="b")]
    runs = read_runs(folders)
    assert [run.name for run in runs] == ["x/run", "y/run"]
    text = report_page(runs, {})
    Page(text)
    anchors = re.findall(r'href="#([^"]+)"', text)
    assert len(anchors) == 2
    assert all(f'id="{anchor}"' in text for anchor in anchors)
    assert "Model: model-a, b" in text


def test_no_run_or_one_twice_is_refused(make_run: Any) -> None:
    with pytest.raises(SettingsError, match="no run"):
        read_runs([])
    folder = full_run(make_run)
    with pytest.raises(SettingsError, match="given twice"):
        read_runs([folder, folder])


def test_words_of_a_model_cannot_become_markup(make_run: Any) -> None:
    evil = "</pre></svg><script>alert(1)</script><img src=x onerror=alert(1)>"
    said = [Prediction(id=f"s{i}", raw=evil) for i in range(8)]
    folder = full_run(
        make_run, predictions=said, model=evil, details={"warnings": [evil], evil: evil},
        manifest={"note": evil}, groups={f"type={evil}": 0.5}, baselines={evil: 0.5},
    )  # fmt: skip
    text = report_page([read_run(folder)], {})
    page = Page(text)
    assert not {tag for tag, _ in page.seen} & {"script", "img"}
    table = report_markdown([read_run(folder)])
    assert all(line.count("|") != 1 for line in table.splitlines())
