import sqlite3
from pathlib import Path

import pytest

from rsvlm.answer import Answer, ModelInfo
from rsvlm.app.chat.history import Asked, History
from rsvlm.errors import SettingsError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite"


def asked(text: str = "Where?") -> Asked:
    return Asked(text=text, files=("file-1",), names=("a.tif",))


def answer(text: str = "Here.") -> Answer:
    model = ModelInfo(name="m", engine="stub")
    return Answer(task="vqa", question="Where?", text=text, confidence=0.5, model=model)


def test_what_was_asked_and_answered_comes_back(path: Path) -> None:
    with History(path) as history:
        one = history.start("me", ["file-1"])
        question = Asked(
            text="Where?", files=("file-1",), names=("a.tif",), task="ground", shape="obb",
            seed=3, focus=(0, (1.0, 2.0, 3.0, 4.0)),
        )  # fmt: skip
        new = history.ask("me", one.id, question)
        history.finish(new.id, "answered", answer=answer(), seconds=1.5)
    with History(path) as history:  # after a restart
        (found,) = history.exchanges("me", one.id)
        assert (found.asked, found.answer, found.seconds) == (question, answer(), 1.5)
        assert found.number == 1
        assert history.conversations("me")[0].title == "Where?"
        assert history.conversation_of(found.id) == one.id


def test_others_see_and_change_nothing(path: Path) -> None:
    with History(path) as history:
        mine = history.start("me")
        exchange = history.ask("me", mine.id, asked())
        assert history.conversations("you") == []
        assert history.conversation("you", mine.id) is None
        assert history.exchanges("you", mine.id) == []
        assert history.exchange("you", exchange.id) is None
        with pytest.raises(SettingsError, match="no longer there"):
            history.ask("you", mine.id, asked())
        history.show("you", mine.id, ["file-2"])
        history.replace("you", exchange.id, "another")
        history.forget("you", mine.id)
        history.forget("you")
        assert history.conversation("me", mine.id) is not None
        assert history.exchange("me", exchange.id) is not None


def test_a_question_takes_the_place_of_another(path: Path) -> None:
    with History(path) as history:
        one = history.start("me")
        old, last, new = (history.ask("me", one.id, asked(t)) for t in ("A", "B", "C"))
        history.replace("me", old.id, new.id)
        found = history.exchanges("me", one.id)
        assert [(e.id, e.number) for e in found] == [(new.id, 1), (last.id, 2)]
        history.replace("me", old.id, last.id)  # it is gone already
        assert history.exchanges("me", one.id) == found


def test_what_was_running_at_a_crash_is_told_so(path: Path) -> None:
    first = History(path)
    one = first.start("me")
    first.ask("me", one.id, asked())
    with History(path) as history:  # the first one was never closed
        (found,) = history.exchanges("me", one.id)
    first.close()
    assert found.status == "failed"
    assert "restarted" in found.said


def test_the_last_touched_comes_first_and_the_old_expire(path: Path) -> None:
    with History(path) as history:
        old, new = history.start("me"), history.start("me")
        history.ask("me", old.id, asked())
        assert [item.id for item in history.conversations("me")] == [old.id, new.id]
        assert history.expire(new.touched) == 0
        assert history.expire(new.touched + 1e-6) == 1
        assert [item.id for item in history.conversations("me")] == [old.id]
        history.forget("me", old.id)
        assert history.exchanges("me", old.id) == []


def test_an_answer_of_another_version_is_no_crash(path: Path) -> None:
    with History(path) as history:
        one = history.start("me")
        new = history.ask("me", one.id, asked())
        history.finish(new.id, "answered", answer=answer())
    with sqlite3.connect(path) as base:
        base.execute('UPDATE exchanges SET answer=\'{"schema": "rsvlm.answer/9"}\'')
    base.close()
    with History(path) as history:
        (found,) = history.exchanges("me", one.id)
    assert (found.status, found.answer) == ("failed", None)


def test_a_file_that_is_no_data_base_is_told(path: Path) -> None:
    path.write_text("nothing of the kind, and long enough to be read " * 40)
    with pytest.raises(SettingsError, match=r"chat\.sqlite"):
        History(path)
