"""Our own prediction files, scored against samples by the default protocols.

A run that knows its benchmark is scored by the benchmark's protocols; this is for
predictions that come alone. Boxes are in raster pixels where a prediction states its
space, as our runner writes it.
"""

from collections.abc import Mapping
from pathlib import Path

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import Foreign, counted
from rsvlm.eval.formats.joined import joined
from rsvlm.eval.records import Prediction, read_records
from rsvlm.samples import Sample


def read(
    path: Path,
    samples: Mapping[str, Sample] | None = None,
    *,
    coords: Coords | None = None,
) -> Foreign:
    """Read predictions of ours; the last attempt at a sample counts.

    Args:
        path: JSONL file of ``rsvlm.prediction/1``.
        samples: The samples, by id.
        coords: Space of boxes in texts, where predictions do not state theirs.

    Raises:
        SettingsError: If there are no samples, or boxes are in a space that is stated
            nowhere.
        ParseError: If a line is no prediction, or no id is one of the samples.
    """
    if samples is None:
        raise SettingsError(
            f"{path.name} holds answers only. Give the questions with --samples."
        )
    last: dict[str, Prediction] = {}
    total = 0
    for prediction in read_records(path, Prediction):
        total += 1
        last[prediction.id] = prediction
    notes = []
    if again := total - len(last):
        left = counted(again, "earlier attempt")
        notes.append(f"{left} left out: the last one counts.")
    return joined(list(last.values()), samples, path.name, coords, notes)
