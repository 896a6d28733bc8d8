"""The messages of a chat, read: what is asked now, about which images, after what.

Every image of a conversation can be talked about until its end, numbered in the order
in which they came. A question is about the images that were sent with it, or else about
those of the question before; words that mean several ("both", "image 1", "compare")
make it a question about all of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.schemas import ChatMessage
from rsvlm.choice import choose_task
from rsvlm.followup import Turn
from rsvlm.questions import tidy

#: Most characters of a question; what came before it is cut to as many.
MOST_QUESTION = 2000

#: Characters of a question in which it says which images it means.
_BEGINNING = 400

_SEVERAL = re.compile(
    r"\b(?:images|pictures|photos|scenes|views|both|all|two|three|four|each|other"
    r"|previous|earlier|before|after|between|than|same|compared?|comparison|differ\w*"
    r"|chang\w*|(?:image|picture|photo|scene) \d|(?:first|second|third|fourth|last)"
    r" (?:image|picture|photo|scene|one))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, the images sent with it, and the reply to it.

    Attributes:
        question: What the user wrote.
        images: Positions of its images among those of the conversation.
        reply: What was answered; None for the question that is asked now.
    """

    question: str
    images: tuple[int, ...]
    reply: str | None


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation up to the question that is asked now.

    Attributes:
        addresses: Where the images are, each once, in the order in which they came.
        exchanges: Questions and replies; the last has no reply yet.
        system: What the client tells the model beforehand.
    """

    addresses: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    system: str

    @property
    def question(self) -> str:
        """What is asked now."""
        return self.exchanges[-1].question

    @property
    def history(self) -> tuple[Turn, ...]:
        """What was asked and answered before."""
        return tuple(
            Turn(e.question[:MOST_QUESTION], tidy(e.reply)[:MOST_QUESTION])
            for e in self.exchanges
            if e.reply is not None
        )

    def scope(self, besides: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the positions of the images that the question is about.

        Args:
            besides: Positions of images that it is about in any case.
        """
        current: tuple[int, ...] = ()
        known = 0
        for exchange in self.exchanges:
            known = max([known, *(i + 1 for i in exchange.images)])
            current = exchange.images or current
            if _means_several(exchange.question, known):
                current = tuple(range(known))
        return tuple(sorted({*current, *besides}))


def read(messages: Sequence[ChatMessage]) -> Talk:
    """Return a conversation; the last message is a question.

    Raises:
        ApiError: If there is no question, or it is too long.
    """
    places: dict[str, int] = {}  # an image that is sent again is the same image
    exchanges: list[Exchange] = []
    system: list[str] = []
    question, images = "", list[int]()
    for message in messages:
        if message.role == "user":
            question = tidy(message.text).strip() or question
            for address in message.addresses:
                place = places.setdefault(address, len(places))
                images += [place] if place not in images else []
        elif message.role != "assistant":
            system.append(message.text)
        elif question or images:
            earlier = question[:MOST_QUESTION]
            exchanges.append(Exchange(earlier, tuple(images), message.text))
            question, images = "", []
    if not question:
        raise ApiError(
            400,
            "There is no question. Write one as text of the last message, for example "
            "'Describe this scene'.",
            param="messages",
        )
    if len(question) > MOST_QUESTION:
        raise ApiError(
            400,
            f"The question has {len(question)} characters, more than {MOST_QUESTION}. "
            "Ask it in fewer words.",
            param="messages",
        )
    exchanges.append(Exchange(question, tuple(images), None))
    told = "\n".join(text for text in system if text.strip())
    return Talk(tuple(places), tuple(exchanges), told)


def _means_several(question: str, known: int) -> bool:
    if known < 2:
        return False
    text = question[:_BEGINNING]
    return bool(_SEVERAL.search(text)) or choose_task(text, known)[0] == "compare"
