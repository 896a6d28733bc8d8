"""ConceptStore: labelled pictures of things, for what words do not find.

Of each label one direction of the aligned space is kept, which sets pictures of it apart
from pictures without it, and the thresholds at which a best tile is right often enough.
All of it belongs to one revision of the encoders. The file is made by
``python -m rsvlm.retrieval.concepts_build`` from training pictures.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from rsvlm.errors import CheckpointError
from rsvlm.labels import FORMS
from rsvlm.zooming_margins import PictureProbe

#: Name of the file in a checkpoint folder.
FILE = "concepts.npz"
SCHEMA = "rsvlm.concepts/1"


@dataclass(frozen=True)
class ConceptStore:
    """Probes of labels.

    Attributes:
        revision: Of the encoders that made the vectors.
        probes: Label -> its probe.
        fast: Margin by text at which a best tile was right often enough, on held-out
            pictures.
        slow: The same by labelled pictures.

    .. versionadded:: 0.2
    """

    revision: str
    probes: Mapping[str, PictureProbe]
    fast: float
    slow: float

    def probe(self, label: str) -> PictureProbe | None:
        """Return the probe of a label or of another word for it, None without one."""
        return self.probes.get(label) or self.probes.get(FORMS.get(label, ""))

    def save(self, path: Path) -> None:
        """Write the store."""
        labels = sorted(self.probes)
        about = {
            "schema": SCHEMA,
            "revision": self.revision,
            "labels": labels,
            "fast": self.fast,
            "slow": self.slow,
        }
        probes = [self.probes[label] for label in labels]
        np.savez(
            path,
            about=np.array(json.dumps(about)),
            directions=np.stack([probe.direction for probe in probes]),
            centres=np.array([probe.centre for probe in probes]),
            spreads=np.array([probe.spread for probe in probes]),
        )

    @classmethod
    def load(cls, path: Path, revision: str) -> "ConceptStore":
        """Read a store.

        Args:
            path: The file.
            revision: Of the encoders that it is used with.

        Raises:
            CheckpointError: If it is missing, damaged, or made by other encoders.
        """
        try:
            # From memory: numpy leaves a damaged file open.
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                probes = {
                    label: PictureProbe(direction, float(centre), float(spread))
                    for label, direction, centre, spread in zip(
                        about["labels"],
                        file["directions"],
                        file["centres"],
                        file["spreads"],
                        strict=True,
                    )
                }
                store = cls(about["revision"], probes, about["fast"], about["slow"])
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            BadZipFile,
            EOFError,
        ) as error:
            raise CheckpointError(
                f"{path} is no concept store ({error}). Make it again: {_again(path)}"
            ) from error
        if store.revision != revision:
            raise CheckpointError(
                f"{path} was made by revision {store.revision!r} of the encoders, not by "
                f"{revision!r}. Make it again: {_again(path)}"
            )
        return store


def _again(path: Path) -> str:
    """Return the command that makes a store again; DATA is of ``rsvlm data build``."""
    return (
        "python -m rsvlm.retrieval.concepts_build DATA "
        f"--model {path.parent} --out {path}"
    )
