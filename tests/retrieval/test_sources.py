"""The user's own files, dumps and the shipped texts become passages."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.errors import MissingExtraError, ParseError, SettingsError
from rsvlm.retrieval import sources_nations, sources_world
from rsvlm.retrieval.passages import box_of
from rsvlm.retrieval.sources_files import Origin, read_file
from rsvlm.retrieval.sources_own import glossary, handbook
from rsvlm.retrieval.sources_rswk import read_rswk
from rsvlm.retrieval.sources_wikipedia import plain_text, read_xml, read_zim

MINE = Origin("my notes", "CC0-1.0", date="2024")


def test_markdown_by_section(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "Before.\n# Port\nThe **old** [pier](http://x).\n\n```\n# no heading\n```\n"
        "## History\nBuilt in 1907.\n# End\n"
    )
    found = list(read_file(path, MINE))
    assert [p.title for p in found] == ["a", "Port", "Port: History"]
    assert found[1].text.startswith("The old pier.")
    assert "# no heading" in found[1].text
    assert (found[2].source, found[2].licence, found[2].date) == (
        "my notes", "CC0-1.0", "2024",
    )  # fmt: skip


def test_a_pdf_by_page(tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(200, 200)
    font = DictionaryObject({
        NameObject("/Type"): NameObject("/Font"),
        NameObject("/Subtype"): NameObject("/Type1"),
        NameObject("/BaseFont"): NameObject("/Helvetica"),
    })  # fmt: skip
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
    )
    stream = DecodedStreamObject()
    stream.set_data(b"BT /F1 12 Tf 20 100 Td (The levee was raised.) Tj ET")
    page[NameObject("/Contents")] = writer._add_object(stream)
    writer.write(tmp_path / "report.pdf")
    (found,) = read_file(tmp_path / "report.pdf", MINE)
    assert found.text == "The levee was raised."
    assert (found.title, found.facts) == ("report", {"page": 1})
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 nonsense")
    with pytest.raises(ParseError, match=r"bad\.pdf cannot be read as PDF"):
        list(read_file(tmp_path / "bad.pdf", MINE))


def test_geojson_keeps_places_and_facts(tmp_path: Path) -> None:
    path = tmp_path / "sites.geojson"
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [10.5, -3.0]},
        "properties": {"name": "Mine 7", "Licence": "CC-BY-4.0", "depth_m": 40},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (found,) = read_file(path, MINE)
    assert (found.title, found.text, found.licence) == (
        "Mine 7", "depth_m: 40", "CC-BY-4.0",
    )  # fmt: skip
    assert found.place is not None
    assert box_of(found.place) == (10.5, -3.0, 10.5, -3.0)
    assert found.facts == {"depth_m": 40}
    feature["geometry"] = {"type": "Point", "coordinates": [500_000, 4_000_000]}
    path.write_text(json.dumps(feature))
    with pytest.raises(ParseError, match=r"feature 1: .*no longitude and latitude"):
        list(read_file(path, MINE))
    path.write_text("[1]")
    with pytest.raises(ParseError, match="no GeoJSON"):
        list(read_file(path, MINE))


def test_csv_finds_its_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "wells.csv"
    path.write_text(
        "Name;Longitude;Latitude;Description;Date;Owner\n"
        "Well A;10.5;-3;Deep well.;2021-05-01;Ann\nWell B;;;;;\n"
    )
    first, second = read_file(path, MINE)
    assert first.text == "Deep well. Owner: Ann"
    assert (first.title, first.date, second.title) == ("Well A", "2021-05-01", "Well B")
    assert first.place is not None
    assert second.place is None
    path.write_text("name,lon,lat\nX,200,0\n")
    with pytest.raises(ParseError, match=r"wells\.csv, line 2"):
        list(read_file(path, MINE))


def test_pictures_of_rows_lie_below_the_table(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "in/a.png").write_bytes(b"x")
    path = tmp_path / "in/t.csv"
    look = Origin("s", "MIT", look=lambda file: np.ones(2, np.float32))
    path.write_text("name,picture\nA,a.png\n")
    (found,) = read_file(path, look)
    assert found.picture is not None
    path.write_text("name,picture\nA,../secret.png\n")
    with pytest.raises(ParseError, match="not below its folder"):
        list(read_file(path, look))


def test_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(SettingsError, match=r"'a\.docx' is no file"):
        list(read_file(tmp_path / "a.docx", MINE))
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ParseError, match="UTF-8"):
        list(read_file(tmp_path / "a.txt", MINE))


DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/">
<siteinfo><sitename>Wikipedia</sitename>
<base>https://en.wikipedia.org/wiki/Main_Page</base></siteinfo>
<page><title>Old Pier</title><ns>0</ns><revision>
<timestamp>2025-01-02T03:04:05Z</timestamp>
<text>{{Infobox|x={{y}}}}{{coord|33|30|S|18|W}} '''Old Pier''' is a [[pier|long pier]].
{| class="t"
| cell
|}
== History ==
Built in 1907.&lt;ref&gt;Book&lt;/ref&gt;
== References ==
Lost.</text></revision></page>
<page><title>Talk:Old Pier</title><ns>1</ns><revision><text>No.</text></revision></page>
<page><title>Pier</title><ns>0</ns><redirect title="Old Pier" /><revision>
<text>#REDIRECT</text></revision></page></mediawiki>"""


@pytest.mark.parametrize("packed", [False, True])
def test_a_wikipedia_dump_by_section(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("dump.xml.gz" if packed else "dump.xml")
    path.write_bytes(gzip.compress(DUMP.encode()) if packed else DUMP.encode())
    first, second = read_xml(path)
    assert (first.title, first.text) == ("Old Pier", "Old Pier is a long pier.")
    assert first.url == "https://en.wikipedia.org/wiki/Old_Pier"
    assert first.place is not None
    assert box_of(first.place)[:2] == (-18.0, -33.5)
    assert (second.title, second.text, second.date) == (
        "Old Pier: History", "Built in 1907.", "2025-01-02",
    )  # fmt: skip


def test_a_dump_that_breaks_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml"
    path.write_text(DUMP[:-40])
    with pytest.raises(ParseError, match="no whole MediaWiki dump"):
        list(read_xml(path))


def test_files_and_categories_are_no_prose() -> None:
    assert (
        plain_text("[[File:a.jpg|thumb|A [[pier]]]]It is.[[Category:Piers]]")
        == "It is."
    )


def test_a_zim_file(tmp_path: Path) -> None:
    pytest.importorskip("libzim")
    from libzim.writer import Creator, Hint, Item, StringProvider

    class Article(Item):  # type: ignore[misc]
        def get_path(self) -> str:
            return "A/Pier"

        def get_title(self) -> str:
            return "Old Pier"

        def get_mimetype(self) -> str:
            return "text/html"

        def get_contentprovider(self) -> Any:
            return StringProvider(
                "<html><head><meta name='geo.position' content='-33.5;18.25'></head>"
                "<body><p>Old <b>Pier</b> is long.<sup>1</sup></p><table><tr><td>x"
                "</td></tr></table><h2>History</h2><p>Built in 1907.</p>"
                "<h2>References</h2><p>Lost.</p></body></html>"
            )

        def get_hints(self) -> dict[Any, Any]:
            return {Hint.FRONT_ARTICLE: True}

    path = tmp_path / "wiki.zim"
    with Creator(str(path)) as creator:
        creator.add_item(Article())
        creator.add_metadata("Title", "My wiki")
        creator.add_metadata("License", "CC0-1.0")
    first, second = read_zim(path)
    assert (first.title, first.text) == ("Old Pier", "Old Pier is long.")
    assert (second.title, second.text) == ("Old Pier: History", "Built in 1907.")
    assert (first.source, first.licence) == ("My wiki", "CC0-1.0")
    assert first.place is not None
    assert box_of(first.place)[:2] == (18.25, -33.5)
    path.write_bytes(b"nonsense")
    with pytest.raises(ParseError, match="no ZIM file"):
        list(read_zim(path))


def test_rswk_gives_its_training_files_only(tmp_path: Path) -> None:
    long = "The tower stands by the river and was built of stone in the old days " * 2
    lines = [
        {
            "messages": [
                {"role": "user", "content": "<image>Describe."},
                {"role": "assistant", "content": long},
            ],
            "images": ["/data/Old_Tower_3.jpg"],
        },
        {
            "messages": [
                {"role": "user", "content": "<image>How tall?"},
                {"role": "assistant", "content": "27 m"},
            ],
            "images": ["/data/Old_Tower_3.jpg"],
        },
    ]
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "caption_train.jsonl").write_text(text)
    (tmp_path / "caption_test.jsonl").write_text(text.replace("27", "99"))
    listed = [
        {"image_name": "b.jpg", "gpt_output": [{"question": "Q?", "answer": "A"}]}
    ]
    (tmp_path / "vqa_c_train.json").write_text(json.dumps(listed))
    first, second, third = read_rswk(tmp_path)
    assert (first.title, first.text) == ("Old Tower", long.strip())
    assert (second.text, third.text) == ("How tall? 27 m", "Q? A")
    (tmp_path / "vqa_c_train.json").write_text("{}x")
    with pytest.raises(ParseError, match="another form"):
        list(read_rswk(tmp_path))
    with pytest.raises(ParseError, match="no training file"):
        list(read_rswk(tmp_path / "none"))


def test_the_shipped_texts_are_whole() -> None:
    sensors, terms = list(handbook()), list(glossary())
    assert len(sensors) >= 60
    assert len(terms) >= 120
    for passage in (*sensors, *terms):
        assert passage.text.endswith(".")
        assert "see " in passage.source
        assert len(passage.text.split()) < 100, passage.title
    titles = [p.title.casefold() for p in (*sensors, *terms)]
    assert len(set(titles)) > 0.98 * len(titles)


def test_rows_of_the_world() -> None:
    row = {
        "name": "Test Field", "iata": "TST", "icao": "KTST", "city": "Town",
        "subd": "Region", "country": "US", "elevation": "100", "lat": "1.5",
        "lon": "-2.25",
    }  # fmt: skip
    found = sources_world._airport(row, "United States", "2026-09-05")
    assert found.text == (
        "Test Field (TST, KTST) is an airport in Town, Region, the United States, at "
        "1.500 N, 2.250 W, 30 m (100 ft) above sea level."
    )
    assert sources_nations.plain_name("Puerto de Bilbao") == "bilbao"
    told = {"highest point": {"text": "<p>Peak&nbsp;1 m</p>"}, "note": "<b>x</b>"}
    assert sources_nations._told(told) == "highest point Peak 1 m."


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"rsvlm\[knowledge\]"):
        sources_nations.package_files("no-such-package-here", "x", ".json")
