"""Caption metrics beside pycocoevalcap, on the same records in the same run.

Run: ``python benchmarks/caption_metrics.py [--count 10000] [--memory 100000]``

Each round scores the same made-up captions (one hypothesis, five references) with
pycocoevalcap and with rsvlm, in turn: BLEU-1 to 4, ROUGE-L and CIDEr-D, tokens
included. Prints the times, their ratio and the largest difference of a score; where
Java is missing, pycocoevalcap gets our tokens for nothing. Machines differ: read the
ratio. Then the peak memory of scoring ``--memory`` records in a fresh process.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from random import Random

import numpy as np

from rsvlm.eval.metrics.caption_corpus import Corpus
from rsvlm.eval.metrics.captions import bleu, cider_d, rouge_l
from rsvlm.eval.metrics.tokenizer import ptb

Records = tuple[list[str], list[list[str]]]
#: BLEU-4 of all, then mean ROUGE-L and CIDEr-D.
Scores = tuple[float, float, float]

STARTS = ("there is", "this is", "we can see", "the image shows", "some", "many")
LINKS = ("near", "beside", "in", "surrounded by", "with", "and", "next to")
NOUNS = """
    airport road runway river bridge forest farmland beach harbor ship car parking
    stadium building house roof tree lawn lake pond desert mountain railway station
    church school playground court square viaduct port plane tank factory chimney
"""
ADJECTIVES = "large small green dense bare white several two three long wide red"


def caption(random: Random, scene: list[str]) -> str:
    """Return a sentence about a scene; rare words follow a heavy tail."""
    parts = [random.choice(STARTS)]
    rare = f"word{int(random.paretovariate(0.8)) % 20000}"
    for noun in random.sample(scene, random.randint(2, 3)):
        parts += [random.choice(ADJECTIVES.split()), noun, random.choice(LINKS)]
    end = random.choice((".", " .", ", as in a well-known city's centre.", ""))
    return (" ".join([*parts, "a", rare]) + end).capitalize()


def records(count: int) -> Records:
    """Return hypotheses and five references each, always the same ones."""
    random = Random(0)
    hypotheses, references = [], []
    for _ in range(count):
        scene = random.sample(NOUNS.split(), 5)
        hypotheses.append(caption(random, scene))
        references.append([caption(random, scene) for _ in range(5)])
    return hypotheses, references


def ours(data: Records) -> Scores:
    """Score with rsvlm."""
    hypotheses, references = data
    corpus = Corpus.build(
        map(ptb, hypotheses), (map(ptb, texts) for texts in references)
    )
    return (
        bleu(corpus).corpus()[3],
        float(rouge_l(corpus).mean()),
        float(cider_d(corpus).mean()),
    )


def theirs(data: Records) -> Scores:
    """Score with pycocoevalcap."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    given = {i: [{"caption": text}] for i, text in enumerate(data[0])}
    wanted = {i: [{"caption": t} for t in texts] for i, texts in enumerate(data[1])}
    if shutil.which("java"):
        results = PTBTokenizer().tokenize(given)
        truths = PTBTokenizer().tokenize(wanted)
    else:
        results = {i: [" ".join(ptb(text))] for i, text in enumerate(data[0])}
        truths = {i: [" ".join(ptb(t)) for t in ts] for i, ts in enumerate(data[1])}
    scores = [Bleu(4).compute_score(truths, results, verbose=0)[0][3]]
    scores += [m.compute_score(truths, results)[0] for m in (Rouge(), Cider())]
    return float(scores[0]), float(scores[1]), float(scores[2])


def timed(score: Callable[[Records], Scores], data: Records) -> tuple[float, Scores]:
    """Return seconds and scores."""
    start = time.perf_counter()
    scores = score(data)
    return time.perf_counter() - start, scores


def memory(count: int) -> None:
    """Score and print seconds and the peak memory of this process."""
    data = records(count)
    before = time.process_time()
    seconds, _ = timed(ours, data)
    busy = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"rsvlm, {count} records: {seconds:.2f} s ({busy:.2f} s of processor), "
        f"peak memory {peak:.0f} MiB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="records of a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", type=int, default=100_000)
    parser.add_argument("--memory-only", action="store_true")
    options = parser.parse_args()
    if options.memory_only:
        memory(options.memory)
        return
    data = records(options.count)
    ratios, mine, busy = [], [], []
    for number in range(options.rounds):
        peer, expected = timed(theirs, data)
        before = time.process_time()
        own, found = timed(ours, data)
        busy.append(time.process_time() - before)
        gap = float(np.abs(np.subtract(expected, found)).max())
        ratios.append(peer / own)
        mine.append(own)
        print(
            f"round {number + 1}, {options.count} records: pycocoevalcap {peer:.2f} s, "
            f"rsvlm {own:.2f} s, {peer / own:.1f} x, largest difference {gap:.1e}"
        )
    print(
        f"median: {statistics.median(ratios):.1f} x, {statistics.median(mine):.2f} s, "
        f"{statistics.median(busy):.2f} s of processor"
    )
    command = (sys.executable, __file__, "--memory-only", "--memory")
    subprocess.run((*command, str(options.memory)), check=True)


if __name__ == "__main__":
    main()
