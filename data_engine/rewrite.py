"""Rewords captions and questions with a language model, and keeps what stays true.

Any engine will do; the command line makes one of ``--rewriter URL#MODEL``, an
OpenAI-compatible server. A reply is taken where :mod:`rsvlm.data_engine.faithful` finds
the same facts in it; otherwise the sample stays as it is. Replies are remembered in a
file, so that a build that is continued, or made again, asks nothing twice and is the
same to the byte.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from rsvlm.data_engine.faithful import difference, strange
from rsvlm.engines.base import Engine
from rsvlm.errors import EngineError, ParseError
from rsvlm.messages import Message
from rsvlm.samples import Sample, Turn

#: Tasks whose answer is reworded; of all others it is the question.
DESCRIBED = frozenset({"caption"})
#: Tasks of which nothing is reworded: what is said there is a choice of given words.
LEFT = frozenset({"classify", "retrieve"})
#: A rewrite may be this many times as long, and so many characters more.
LONGER, MORE = 2.5, 40
#: So many words of a rewrite may be found nowhere else, or this share of them.
FEW, STRANGE = 2, 0.25
#: Samples that are asked for at a time.
BATCH = 32
#: After so many texts in a row without a reply the server is not asked any more.
MOST_FAILURES = 8
#: What a text without a reply is counted as.
NO_REPLY = "no reply"

_PROMPT = """Reword this {what} about an aerial or satellite image. Keep its meaning: the \
same objects, the same numbers, the same places, the same colours and sizes. Add nothing \
and leave nothing out. Write one {what}, nothing else.

{text}"""


@dataclass
class Rates:
    """What became of the rewrites.

    Attributes:
        asked: Texts that were sent.
        kept: Rewrites that were taken.
        refused: Why others were not -> how many.
    """

    asked: int = 0
    kept: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def unanswered(self) -> int:
        """Texts without a reply."""
        return self.refused[NO_REPLY]

    def __str__(self) -> str:
        share = self.kept / self.asked if self.asked else 0.0
        why = ", ".join(f"{reason} {n}" for reason, n in self.refused.most_common())
        return f"rewrites: {self.kept} of {self.asked} kept ({share:.0%}){'; refused: ' if why else ''}{why}"


class Rewriter:
    """Rewords the texts of samples.

    A server that does not answer stops nothing: texts stay as they are, and are counted.

    Attributes:
        rates: What became of the rewrites.
        error: The last failure of the server, None where it never failed.
    """

    def __init__(
        self, engine: Engine, memory: Path | None = None, threads: int = 8
    ) -> None:
        """Read what is remembered.

        Args:
            engine: Says the rewrites.
            memory: JSONL file of replies, read and continued; None remembers nothing.
            threads: Requests at a time.

        Raises:
            ParseError: If the file of replies is damaged other than by a last line that
                was not written to its end.
        """
        self.engine = engine
        self.rates = Rates()
        self.error: EngineError | None = None
        self._threads = threads
        self._memory = memory
        self._known = _read(memory) if memory else {}
        self._failures = 0

    def rewrite(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Yield the samples in order, reworded where the rewrite is faithful."""
        rest = iter(samples)
        pool = ThreadPoolExecutor(self._threads)
        try:
            while batch := list(islice(rest, BATCH)):
                texts = [text_of(sample) for sample in batch]
                replies = pool.map(self._reply, batch, texts)
                for sample, text, reply in zip(batch, texts, replies, strict=True):
                    yield self._taken(sample, text, reply)
        finally:
            # After Ctrl-C nothing more is asked.
            pool.shutdown(wait=False, cancel_futures=True)

    def _reply(self, sample: Sample, text: str | None) -> str | EngineError | None:
        """Return a reply, what went wrong, or None where nothing is asked."""
        if text is None:
            return None
        key = _key(self.engine, sample, text)
        if key in self._known:
            return self._known[key]
        if self._failures >= MOST_FAILURES:
            return EngineError("the server is not asked any more")
        what = "caption" if sample.task in DESCRIBED else "question"
        prompt = _PROMPT.format(what=what, text=text)
        try:
            said = self.engine.generate(
                [Message("user", (prompt,))],
                max_tokens=60 + len(text),
                # Each sample has a seed of its own: equal texts are worded differently.
                temperature=0.8,
                seed=int(key[:7], 16),
            )
        except EngineError as error:
            return error
        return said.text

    def _taken(
        self, sample: Sample, text: str | None, reply: str | EngineError | None
    ) -> Sample:
        if text is None or reply is None:
            return sample
        self.rates.asked += 1
        if isinstance(reply, EngineError):
            # What is not even asked any more says nothing about why.
            if self._failures < MOST_FAILURES:
                self.error = reply
            self._failures += 1
            self.rates.refused[NO_REPLY] += 1
            return sample
        self._failures = 0
        self._remember(_key(self.engine, sample, text), reply)
        new = " ".join(reply.strip().strip('"').split())
        if reason := refusal(sample, text, new):
            self.rates.refused[reason] += 1
            return sample
        self.rates.kept += 1
        return _with(sample, text, new, self.engine.name)

    def _remember(self, key: str, reply: str) -> None:
        if key in self._known:
            return
        self._known[key] = reply
        if self._memory:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with self._memory.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "reply": reply}) + "\n")


def text_of(sample: Sample) -> str | None:
    """Return what of a sample is reworded, None where nothing is."""
    if sample.task in LEFT or sample.options or not sample.conversation:
        return None
    if sample.task in DESCRIBED:
        return sample.answers[0] if sample.answers else None
    return sample.conversation[0].text


def refusal(sample: Sample, before: str, after: str) -> str | None:
    """Return why a rewrite is refused, None where it is taken."""
    if not after:
        return "empty"
    if after == before:
        return "unchanged"
    if len(after) > LONGER * len(before) + MORE:
        return "too long"
    if sample.task not in DESCRIBED and _form(after) != _form(before):
        return "no question"
    if len(strange(before, after)) > max(FEW, STRANGE * len(after.split())):
        return "wording"
    labels = {target.label for target in sample.targets}
    labels |= {
        str(sample.meta[key]) for key in ("label", "phrase") if key in sample.meta
    }
    return difference(before, after, labels, asks=sample.task not in DESCRIBED)


def _form(text: str) -> tuple[bool, int]:
    """Return whether a text asks, and its number of sentences."""
    return text.endswith("?"), len(re.findall(r"[.!?](?=\s|$)", text))


def _with(sample: Sample, before: str, after: str, model: str) -> Sample:
    """Return a sample with a rewrite; what it said before stays an accepted text."""
    fields: dict[str, object] = {
        "meta": sample.meta | {"rewritten": {"from": before, "by": model}}
    }
    if sample.task in DESCRIBED:
        fields["answers"] = (after, *sample.answers)
        said = Turn(role="assistant", text=after)
        fields["conversation"] = (*sample.conversation[:-1], said)
    else:
        asked = Turn(role="user", text=after)
        fields["conversation"] = (asked, *sample.conversation[1:])
    return sample.model_copy(update=fields)


def _key(engine: Engine, sample: Sample, text: str) -> str:
    """Return what tells a request from all others."""
    parts = (engine.name, engine.revision, sample.id, text, _PROMPT)
    return sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def _read(path: Path) -> dict[str, str]:
    """Return the remembered replies; a last line that was cut off is dropped."""
    if not path.is_file():
        return {}
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        data = data[: data.rfind(b"\n") + 1]
        path.write_bytes(data)
    known = {}
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            entry = json.loads(line)
            known[str(entry["key"])] = str(entry["reply"])
        except (ValueError, KeyError, TypeError):
            raise ParseError(
                f"{path.name}, line {number}: no remembered reply. Remove the line."
            ) from None
    return known
