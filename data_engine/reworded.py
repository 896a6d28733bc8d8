"""A rewriter inside a build: the training samples of every chunk, reworded once.

Rewrites are for training: what is validated and tested stays in the wordings that all
builds share. Replies are kept in ``replies.jsonl`` beside the samples.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rsvlm.data_engine.composing import SAMPLES
from rsvlm.data_engine.rewrite import Rates, Rewriter
from rsvlm.data_engine.spool import Chunk, read_json, write_json, write_lines
from rsvlm.engines.base import Engine
from rsvlm.samples import read_samples, stamped

#: Endings of a chunk's reworded samples and of what became of its texts.
REWORDED, RATES = "reworded.jsonl", "rates.json"
#: File of replies in the folder of a build.
REPLIES = "replies.jsonl"


class Rewording:
    """What became of the rewrites of all chunks."""

    def __init__(self, model: str) -> None:
        """Begin with nothing.

        Args:
            model: Name of the model that rewords.
        """
        self.model = model
        self.rates = Rates()

    def add(self, fields: dict[str, Any]) -> None:
        """Add the numbers of a chunk."""
        self.rates.asked += fields["asked"]
        self.rates.kept += fields["kept"]
        self.rates.refused.update(fields["refused"])

    def fields(self) -> dict[str, Any]:
        """Return what stands of it in ``run.json``."""
        rates = self.rates
        said = rates.asked - rates.unanswered
        refused = said - rates.kept
        return {
            "model": self.model,
            "texts": rates.asked,
            "kept": rates.kept,
            "refused": dict(sorted(rates.refused.items())),
            "refused_share": round(refused / said, 4) if said else None,
            "unanswered": rates.unanswered,
        }


def reword(
    engine: Engine | None,
    out: Path,
    chunks: Sequence[Chunk],
    say: Callable[[str], None],
) -> Rewording | None:
    """Reword the training samples of a build; None without an engine.

    Args:
        engine: Says the rewrites.
        out: Folder of the build.
        chunks: All of its chunks.
        say: Called with a line of text where the server does not answer.
    """
    if engine is None:
        return None
    found = Rewording(engine.name)
    rewriter = Rewriter(engine, out / REPLIES)
    for chunk in (c for c in chunks if c.split == "train"):
        path = chunk.path(out, RATES)
        if not path.is_file():
            rewriter.rates = Rates()
            samples = rewriter.rewrite(read_samples(chunk.path(out, SAMPLES)))
            write_lines(chunk.path(out, REWORDED), map(stamped, samples))
            write_json(path, _fields(rewriter.rates))
        found.add(read_json(path))
    say(str(found.rates))
    if rewriter.error is not None:
        say(f"{found.rates.unanswered} texts stay as they were: {rewriter.error}")
    return found


def _fields(rates: Rates) -> dict[str, Any]:
    refused: Counter[str] = rates.refused
    return {"asked": rates.asked, "kept": rates.kept, "refused": refused}
