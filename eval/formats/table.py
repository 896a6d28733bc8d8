"""The formats that ``rsvlm eval score --format`` reads.

A new format is a module of this folder with a ``read``, and one line here.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats import (
    earthdial,
    llava_answers,
    lmms_eval,
    lrs_gro,
    mme_realworld,
    native,
    rscovlm,
    rswk,
    vlmevalkit,
)
from rsvlm.eval.formats.foreign import Foreign, Reader
from rsvlm.samples import Sample


@dataclass(frozen=True)
class Format:
    """A result format.

    Attributes:
        name: Its name on the command line.
        what: Whose files they are.
        samples: Whether the questions come with it: ``"inside"``, ``"needed"``, or
            ``"either"``.
        read: Its reader.
    """

    name: str
    what: str
    samples: str
    read: Reader

    @property
    def takes_coords(self) -> bool:
        """Whether the space of its boxes can be declared."""
        return "coords" in inspect.signature(self.read).parameters


#: Name -> format.
FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("rsvlm", "predictions of rsvlm, JSONL", "needed", native.read),
        Format("earthdial", "EarthDial, rs_*/results", "inside", earthdial.read),
        Format("rswk", "RS-RAG on RSWK, TASKS/answer", "inside", rswk.read),
        Format("mme-realworld", "ImageRAG, MME-RealWorld-RS", "inside",
               mme_realworld.read),
        Format("lrs-gro", "ZoomEarth on LRS-GRO", "either", lrs_gro.read),
        Format("llava-answers", "GeoChat and kin, answers JSONL", "either",
               llava_answers.read),
        Format("rscovlm", "RSCoVLM, inference_results.json", "inside", rscovlm.read),
        Format("lmms-eval", "lmms-eval --log_samples", "either", lmms_eval.read),
        Format("vlmevalkit", "VLMEvalKit, XLSX, CSV or TSV", "either", vlmevalkit.read),
    )
}  # fmt: skip


def read_foreign(
    path: Path,
    format: str,
    samples: Mapping[str, Sample] | None = None,
    coords: Coords | None = None,
) -> Foreign:
    """Read a result file.

    Args:
        path: The file.
        format: Name of the format.
        samples: The questions, by id, where the file does not hold them.
        coords: The space of the boxes, where the file does not state it.

    Raises:
        UnknownNameError: If there is no such format.
        SettingsError: If samples or a space are needed, or of no use.
        ParseError: If the file is not of the format; names file, line and key.
    """
    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    form = FORMATS[format]
    if not path.is_file():
        raise ParseError(f"There is no file {path.name!r}. Check the path.")
    if samples is not None and not samples:
        raise SettingsError("The file of samples is empty. Check --samples.")
    if samples is not None and form.samples == "inside":
        raise SettingsError(
            f"Files of the format {format!r} hold their questions and references. "
            "Leave out --samples."
        )
    if coords is None:
        return form.read(path, samples)
    if not form.takes_coords:
        raise SettingsError(
            f"The space of the boxes is part of the format {format!r}. "
            "Leave out --coords."
        )
    return form.read(path, samples, coords=coords)
