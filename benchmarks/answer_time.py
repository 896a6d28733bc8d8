"""How long an answer takes: start, first token, warm answers.

Run: ``python benchmarks/answer_time.py``. Prints seconds and, because machines differ
and are noisy, the ratio to importing torch and Transformers in the same run.
"""

import statistics
import subprocess
import sys
import time

SCENE = "wye-mills"
QUESTIONS = (
    ("caption", "Describe this scene."),
    ("classify", "What kind of scene is this?"),
    ("presence", "Is there a tennis court in this image?"),
    ("count", "How many tennis courts are there?"),
    ("ground", "Where are the tennis courts?"),
    ("segment", "Segment the tennis courts."),
)
FIRST_TOKEN = """
import sys, time
start = time.perf_counter()
from rsvlm.app.build import build_assistant
from rsvlm.app.samples import image_path
from rsvlm.raster import Raster
raster = Raster.open(image_path(sys.argv[1]))
assistant = build_assistant()
loaded = time.perf_counter() - start
def stop(piece):
    print(loaded, time.perf_counter() - start)
    raise SystemExit(0)
assistant.ask([raster], "What kind of scene is this?", on_text=stop)
"""


def timed(*command: str, repeats: int = 3) -> float:
    """Return the median wall time of a command in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    python = sys.executable
    rsvlm = (python, "-m", "rsvlm.app")
    imports = timed(
        python, "-c", "import torch, transformers.models.llama.modeling_llama"
    )
    rows = [("import torch and Transformers' Llama (peer)", imports)]
    rows.append(("rsvlm --help", timed(*rsvlm, "--help", repeats=5)))
    rows.append(("rsvlm info", timed(*rsvlm, "info", SCENE)))
    question = "What kind of scene is this?"
    rows.append(("rsvlm ask, whole process", timed(*rsvlm, "ask", SCENE, question)))
    spans = [
        subprocess.run(
            (python, "-c", FIRST_TOKEN, SCENE),
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for _ in range(3)
    ]
    rows.append(("model loaded", statistics.median(float(span[0]) for span in spans)))
    rows.append(("first token", statistics.median(float(span[1]) for span in spans)))

    from rsvlm.app.build import build_assistant
    from rsvlm.app.samples import image_path
    from rsvlm.raster import Raster

    assistant = build_assistant()
    with Raster.open(image_path(SCENE)) as raster:
        for name, question in QUESTIONS:
            assistant.ask([raster], question)
            start = time.perf_counter()
            assistant.ask([raster], question)
            spent = time.perf_counter() - start
            rows.append((f"warm answer, same image: {name}", spent))
    for name, seconds in rows:
        print(f"{name:45} {seconds:7.2f} s  {seconds / imports:6.2f} x imports")


if __name__ == "__main__":
    main()
