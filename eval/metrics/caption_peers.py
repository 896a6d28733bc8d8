"""METEOR and the original PTB tokenizer: Java programs inside pycocoevalcap.

Both are optional: the extra ``coco`` brings the programs, a Java runtime runs them.
METEOR needs a paraphrase table of 60 MB, so that starting takes seconds; all captions
go through one start. SPICE is not offered: its program fetches further libraries when
it first runs.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import EngineError, MissingExtraError, SettingsError
from rsvlm.eval.metrics.caption_corpus import Ints
from rsvlm.eval.metrics.checks import check_pairs, undefined

Floats = NDArray[np.float64]

#: METEOR 1.5, English, tuned to rank: balance of precision and recall, shape and
#: weight of the penalty on fragments, weight of content words.
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
#: Weights of exact, stem, synonym and paraphrase matches.
_MATCHERS = np.array([1.0, 0.6, 0.8, 0.6])
#: Numbers that METEOR writes a caption, and which one counts chunks.
_FIELDS, _CHUNKS = 23, 20
_METEOR, _PTB = "meteor/meteor-1.5.jar", "tokenizer/stanford-corenlp-3.4.1.jar"
_PTB_CLASS = "edu.stanford.nlp.process.PTBTokenizer"
#: What pycocoevalcap takes out; brackets are meant there, but are lower case by then.
_PUNCTUATION = frozenset(("''", "``", "--", "...", *"'`.?!,:-;"))


def unavailable(metric: str) -> str | None:
    """Return why a metric cannot be computed on this machine; None: it can.

    Args:
        metric: ``meteor-1.5``, ``spice``, or any other caption metric, which is
            always there.
    """
    if metric == "spice":
        return (
            "SPICE is unavailable: its program fetches further libraries when it first "
            "runs. Report cider-d instead."
        )
    if metric == "meteor-1.5":
        try:
            _program(_METEOR)
        except (MissingExtraError, SettingsError) as error:
            return str(error)
    return None


@dataclass(frozen=True)
class Meteor:
    """Counts of METEOR 1.5, one row a sample; sums of rows give the score of any part.

    Attributes:
        counts: The 23 numbers that METEOR writes, shape (N, 23): words and function
            words of hypothesis and reference; content and function words that each
            of four matchers found, in both; chunks; matched words in both.
    """

    counts: Floats

    def corpus(self, indices: Sequence[int] | Ints | None = None) -> float:
        """Return METEOR of all samples, or of those at these indices.

        Raises:
            SettingsError: If there is no index.
        """
        # METEOR counts no chunk where a caption matches as a whole.
        rows = self.counts.copy()
        rows[_is_whole(rows), _CHUNKS] = 0
        if indices is not None:
            rows = rows[np.asarray(indices, dtype=np.int64)]
        if not len(rows):
            raise undefined("METEOR", "0 samples")
        return float(meteor_score(rows.sum(axis=0, keepdims=True))[0])

    def sentences(self) -> Floats:
        """Return METEOR of every sample, shape (N,)."""
        return meteor_score(self.counts)


def meteor_score(counts: Floats) -> Floats:
    """Return METEOR 1.5 of each row of counts.

    Args:
        counts: Numbers as in :class:`Meteor`, shape (rows, 23).

    Returns:
        Scores in [0, 1], shape (rows,).

    Source:
        Denkowski and Lavie, 2014, https://aclanthology.org/W14-3348.
    """
    length = counts[:, 0:2]  # of hypothesis and reference, so below
    function = counts[:, 2:4]
    matched = counts[:, 4:20].reshape(-1, 4, 4)  # matcher; content x 2, function x 2
    weighed = _DELTA * matched[:, :, 0:2] + (1 - _DELTA) * matched[:, :, 2:4]
    found = np.einsum("m,rms->rs", _MATCHERS, weighed)
    words = _DELTA * (length - function) + (1 - _DELTA) * function
    share = np.divide(found, words, out=np.zeros_like(found), where=words > 0)
    precision, recall = share[:, 0], share[:, 1]
    below = _ALPHA * precision + (1 - _ALPHA) * recall
    mean = np.divide(
        precision * recall, below, out=np.zeros_like(below), where=below > 0
    )
    chunks, aligned = counts[:, _CHUNKS], counts[:, 21:23]
    pieces = np.divide(
        chunks, aligned.mean(axis=1), out=np.zeros_like(chunks), where=chunks > 0
    )
    penalty = np.where(_is_whole(counts), 0.0, _GAMMA * pieces**_BETA)
    score: Floats = mean * (1 - penalty)
    return score


def _is_whole(counts: Floats) -> NDArray[np.bool_]:
    """Return of each row whether all words match, in one chunk."""
    matched = (counts[:, 21:23] == counts[:, 0:2]).all(axis=1)
    whole: NDArray[np.bool_] = matched & (counts[:, _CHUNKS] == 1)
    return whole


def meteor(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Meteor:
    """Run METEOR 1.5 on tokenised captions.

    Args:
        hypotheses: One caption a sample, tokens joined by spaces; "" scores 0.
        references: The reference captions of each sample, in the same order.

    Raises:
        MissingExtraError: If pycocoevalcap is not installed.
        SettingsError: If there is no Java, no sample, or the lengths differ.
        EngineError: If the program fails.
    """
    check_pairs(hypotheses, references, "METEOR")
    command = ["-Xmx2G", "-jar", _program(_METEOR)]
    command += ["-", "-", "-stdio", "-l", "en", "-norm"]
    lines = [
        " ||| ".join(("SCORE", *map(_clean, texts), _clean(hypothesis)))
        for hypothesis, texts in zip(hypotheses, references, strict=True)
    ]
    rows = _java(command, lines, "METEOR 1.5")
    try:
        counts = np.array([row.split() for row in rows], dtype=np.float64)
    except ValueError:
        counts = np.empty(0)
    if counts.shape != (len(lines), _FIELDS):
        raise EngineError(
            "METEOR 1.5 wrote something else than counts. Install pycocoevalcap 1.2."
        )
    return Meteor(counts)


def ptb_java(texts: Sequence[str]) -> list[list[str]]:
    """Return what the Stanford PTB tokenizer itself makes of captions.

    It reads across line ends: a period after a single letter is split off if the next
    caption begins with "The". :func:`rsvlm.eval.metrics.tokenizer.ptb` reads each
    caption alone and has no such effect.

    Args:
        texts: The captions; line breaks inside count as spaces.

    Raises:
        MissingExtraError: If pycocoevalcap is not installed.
        SettingsError: If there is no Java.
        EngineError: If the program fails.
    """
    command = ["-cp", _program(_PTB), _PTB_CLASS, "-preserveLines", "-lowerCase"]
    lines = [" ".join(text.split()) for text in texts]
    rows = _java(command, lines, "The PTB tokenizer") if lines else []
    return [[t for t in row.split() if t not in _PUNCTUATION] for row in rows]


def _program(path: str) -> str:
    """Return the path of a program of pycocoevalcap, once Java is there to run it."""
    spec = find_spec("pycocoevalcap")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    programs = [Path(folder, path) for folder in folders]
    found = next((program for program in programs if program.is_file()), None)
    if found is None:
        raise MissingExtraError("pycocoevalcap", "coco")
    if shutil.which("java") is None:
        raise SettingsError(
            f"{found.name} runs on Java, and there is no program 'java' on the PATH. "
            "Install a Java runtime, or leave this protocol out."
        )
    return str(found)


def _java(arguments: Sequence[str], lines: Sequence[str], name: str) -> list[str]:
    """Give lines to a Java program and return its answers, one a line."""
    command = ["java", "-Dfile.encoding=UTF-8", *arguments]
    done = subprocess.run(
        command,
        input="\n".join(lines) + "\n",
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    rows = done.stdout.split("\n")
    rows = rows[:-1] if rows[-1] == "" else rows
    if done.returncode or len(rows) != len(lines):
        reason = " ".join(done.stderr.split())[-300:]
        raise EngineError(
            f"{name} answered {len(rows)} of {len(lines)} lines: {reason}. "
            "Check that 'java' runs, or leave this protocol out."
        )
    return rows


def _clean(caption: str) -> str:
    return " ".join(caption.replace("|||", " ").split())
