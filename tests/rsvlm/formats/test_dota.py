"""DOTA text files: headers of every version, corners, and the line of every fault."""

from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.formats.dota import read_dota

HEADER = "imagesource:GoogleEarth\ngsd:0.146343590398\n"
LINE = "4.0 0.0 8.0 2.0 4.0 4.0 0.0 2.0 large-vehicle 1\n"


def _read(tree: Any, text: str) -> Any:
    return read_dota(tree.text("P0000.txt", text))


@pytest.mark.parametrize(
    ("header", "gsd", "source"),
    [
        (HEADER, 0.146343590398, "GoogleEarth"),  # 1.0
        ("imagesource:GoogleEarth\ngsd:null\n", None, "GoogleEarth"),  # 1.5
        ("imagesource:GF2\ngsd:None\n", None, "GF2"),
        ("", None, None),  # 2.0
    ],
)
def test_headers_of_every_version(
    tree: Any, header: str, gsd: float | None, source: str | None
) -> None:
    found = _read(tree, header + LINE)
    assert (found.gsd_m, found.imagesource) == (gsd, source)
    (target,) = found.targets
    assert target.label == "large-vehicle"
    assert target.polygons == ((4, 0, 8, 2, 4, 4, 0, 2),)
    assert target.hbb == (0, 0, 8, 4)
    assert found.difficult == (True,)


def test_windows_line_ends_blank_lines_and_no_difficulty(tree: Any) -> None:
    found = _read(
        tree, (HEADER + "\n" + LINE.replace(" 1\n", "\n")).replace("\n", "\r\n")
    )
    assert len(found.targets) == 1
    assert found.difficult == (False,)


def test_an_empty_file_holds_no_object(tree: Any) -> None:
    assert _read(tree, HEADER).targets == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (HEADER + "1 2 3\n", "line 3: 3 values"),
        (HEADER + LINE + LINE.replace("8.0", "eight"), "line 4: .*'eight'"),
        (HEADER + LINE.replace("8.0", "nan"), "line 3: .*enclose nothing"),
        ("1 1 1 1 1 1 1 1 ship 0\n", "line 1: .*enclose nothing"),
        (LINE.replace(" 1\n", " maybe\n"), "line 1: difficult is 'maybe'"),
        (LINE + "imagesource:x\n", "line 2: 1 values"),
        ("gsd:-3\n", "gsd is '-3'"),
        ("gsd:wide\n", "gsd is 'wide'"),
    ],
)
def test_a_fault_has_its_line(tree: Any, text: str, what: str) -> None:
    with pytest.raises(ParseError, match=rf"P0000\.txt(, |: ){what}"):
        _read(tree, text)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "P1.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParseError, match=r"P1\.txt, line 1: byte 0 is not UTF-8"):
        read_dota(path)
