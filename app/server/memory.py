"""Answers that were given, so that a client which sends back their words is understood.

"And the second one?" needs the regions of the answer before. A client of the OpenAI API
sends its words only; without this, the assistant would have to answer again to find
them. What is forgotten is found again, only more slowly.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from rsvlm.app.server.file_table import StoredFile
from rsvlm.followup import Turn

#: Answers that are kept.
KEPT = 256


class Memory:
    """The last answers, by owner, images, question and words."""

    def __init__(self, most: int = KEPT) -> None:
        """Start with none; the longest unused goes first."""
        self.most = most
        self._turns: OrderedDict[bytes, Turn] = OrderedDict()

    def keep(
        self,
        owner: str,
        images: Sequence[StoredFile],
        question: str,
        words: str,
        turn: Turn,
    ) -> None:
        """Keep an answer.

        Args:
            owner: Who asked.
            images: Files that it is about, in order.
            question: What was asked.
            words: What the client got to read.
            turn: The answer.
        """
        key = _key(owner, images, question, words)
        self._turns[key] = turn
        self._turns.move_to_end(key)
        while len(self._turns) > self.most:
            self._turns.popitem(last=False)

    def recall(self, owner: str, images: Sequence[StoredFile], turn: Turn) -> Turn:
        """Return a turn with what else is known of it, or as it is."""
        key = _key(owner, images, turn.question, turn.text)
        found = self._turns.get(key)
        if found is None:
            return turn
        self._turns.move_to_end(key)
        return found


def _key(owner: str, images: Sequence[StoredFile], question: str, words: str) -> bytes:
    ids = ",".join(image.id for image in images)
    parts = (owner, ids, question, words)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()
