"""Answers are remembered by what the client sends back."""

from rsvlm.app.server.file_table import StoredFile
from rsvlm.app.server.memory import Memory
from rsvlm.followup import Turn
from tests.app.server.test_structured import answer

FILE = StoredFile("file-1", "me", "a.png", 1, 0, None, "0", "vision")
OTHER = StoredFile("file-2", "me", "b.png", 1, 0, None, "0", "vision")
TURN = Turn("How many ships?", "2 ships.")


def test_only_the_same_owner_images_and_words_are_known() -> None:
    memory = Memory()
    memory.keep("me", [FILE], TURN.question, TURN.text, Turn.of(answer()))
    assert len(memory.recall("me", [FILE], TURN).regions) == 2
    for owner, images, turn in (
        ("you", [FILE], TURN),
        ("me", [OTHER], TURN),
        ("me", [FILE, OTHER], TURN),
        ("me", [FILE], Turn(TURN.question, "3 ships.")),
        ("me", [FILE], Turn("Why?", TURN.text)),
    ):
        assert memory.recall(owner, images, turn) is turn


def test_the_longest_unused_answer_is_forgotten() -> None:
    memory = Memory(most=2)
    for number in range(3):
        memory.keep("me", [FILE], str(number), "x", Turn.of(answer()))
        memory.recall("me", [FILE], Turn("0", "x"))
    assert memory.recall("me", [FILE], Turn("0", "x")).regions
    assert not memory.recall("me", [FILE], Turn("1", "x")).regions
