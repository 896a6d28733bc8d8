"""Chooses the score below which no passage is used.

Run: python benchmarks/knowledge_threshold.py KNOWLEDGE_DIR

Questions that the texts shipped with rsvlm answer, against questions that nothing there
does. Half of the first are written by hand, half are made from titles; none is used by
another benchmark. Printed is, for each threshold, the share of questions with the right
passage among those used, and of the others with none.
"""

import sys
from random import Random

from rsvlm.retrieval.retriever import KnowledgeRetriever, Settings
from rsvlm.retrieval.sources_own import glossary, handbook
from rsvlm.retrieval.wiring import open_retriever

ANSWERED = {
    "Why is calm water dark in a radar picture?": ("Specular reflection", "Decibel",
                                                   "Oil slick", "Flood mapping"),
    "Which wavelength does TerraSAR-X send?": ("TerraSAR-X and TanDEM-X",),
    "When did the scan line corrector of Landsat 7 fail?": ("Landsat 7 ETM+",),
    "How broad is the strip that Sentinel-2 images?": ("Sentinel-2", "Swath"),
    "How often does PlanetScope photograph the land?": ("PlanetScope",),
    "Which bands tell burnt land from healthy land?": (
        "NBR", "Short-wave infrared bands", "Sentinel-2 bands of 20 m"),
    "How small can an object be to be found at 10 m?": (
        "What can be seen at which pixel size",),
    "Who operates ALOS-2, and with which radar band?": ("ALOS and ALOS-2",),
    "Why do mountains fall towards the radar?": (
        "Layover", "Layover, foreshortening and shadow"),
    "How do I turn Landsat surface reflectance numbers into reflectance?": (
        "Landsat Collection 2",),
    "Why are trees bright in the near infrared?": ("Near-infrared band",),
    "What resolution has the panchromatic band of WorldView-3?": ("WorldView-3",),
    "How are clouds told from snow?": (
        "NDSI", "Short-wave infrared bands", "Sentinel-2 bands of 20 m"),
    "Why should train and test tiles be of other regions?": (
        "Spatial autocorrelation", "Training data"),
    "Does NAIP have an infrared band?": ("NAIP",),
}  # fmt: skip
TEMPLATES = ("What do you know about {}?", "Give me some background on {}.")
UNANSWERED = (
    "Who is the president of the tennis club?", "Why do cats purr?",
    "What did I have for lunch yesterday?", "Which film won most prizes in 1994?",
    "Can you recommend a restaurant?", "How do I cook rice?",
    "What is the meaning of life?", "When does the train leave?",
    "How tall was Napoleon?", "What makes bread rise?", "Who wrote this poem?",
    "Is the shop open on Sundays?", "How old is the owner of the house?",
    "What is the phone number of the harbour master?", "Why is the roof green?",
    "What brand is the parked car?", "Who lives in the white building?",
    "Which team plays in that stadium?", "What does the sign say?",
    "How much does a flight cost?", "Which road leads to the beach?",
    "What crops were sold at the market?", "Why was the bridge closed last week?",
    "How many floors does the tower have inside?", "What language is on the poster?",
)  # fmt: skip


def main() -> None:
    """Ask, print a line a threshold."""
    base = open_retriever(sys.argv[1])
    retriever = KnowledgeRetriever(base.base, base.encoder, Settings(least=0.0))
    rng = Random(7)
    asked = dict(ANSWERED)
    for passage in rng.sample([*handbook(), *glossary()], 15):
        asked[rng.choice(TEMPLATES).format(passage.title)] = (passage.title,)
    scores = []
    for question, titles in asked.items():
        hits = retriever.hits(question)
        scores.append(
            max((h.score for h in hits if h.passage.title in titles), default=0)
        )
    others = [max((h.score for h in retriever.hits(q)), default=0) for q in UNANSWERED]
    print("threshold   right passage used   nothing used")
    for step in range(20, 81, 5):
        least = step / 100
        used = sum(score >= least for score in scores) / len(scores)
        empty = sum(score < least for score in others) / len(others)
        print(f"{least:9.2f}   {used:18.3f}   {empty:12.3f}")


if __name__ == "__main__":
    main()
