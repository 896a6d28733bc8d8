"""Which figures a table has: rows, and the parts that measure them.

Both stand in ``table.toml`` beside this module; a table of one's own has the same form.
"""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rsvlm.errors import ParseError

#: The table of the project.
TABLE = Path(__file__).with_name("table.toml")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Record):
    """What is measured together, because one model is asked in one way.

    Attributes:
        name: Name, and that of the folder of its run.
        by: ``eval``: benchmarks; ``needle``: results of ``benchmarks/zoom_hits.py``;
            ``speed``: ``benchmarks/answer_time.py``; ``leaks``: no row, the pictures
            of all benchmarks are compared with those of training.
        model: What is asked; ``{model}`` is the checkpoint.
        through: As ``rsvlm eval run --through``.
        least: As ``rsvlm eval run --least``.
        knowledge: Whether the assistant has a knowledge base.
    """

    name: str = Field(pattern=r"^[a-z][a-z-]*$")
    by: Literal["eval", "needle", "speed", "leaks"] = "eval"
    model: str = "{model}"
    through: Literal["auto", "model"] = "auto"
    least: float | None = None
    knowledge: bool = False


class Row(_Record):
    """One figure.

    Attributes:
        title: What it is called in the table.
        part: The part that measures it.
        benchmark: The benchmark; of needles the way to zoom.
        protocol: The protocol; of needles ``hit`` or ``right``; of speed what is timed.
        group: One group of the benchmark, such as ``type=sar to optical``; "" for all.
        unit: Of times and memory.
        at_least: Goal of the project, where more is better.
        at_most: Goal of the project, where less is better.
        times_chance: Goal as a multiple of the first baseline.
        groups: Whether its groups, or its classes, are told below the table.
        failures: How many failures of it stand in the card.
    """

    title: str
    part: str
    benchmark: str
    protocol: str
    group: str = ""
    unit: Literal["", "s", "GiB"] = ""
    at_least: float | None = None
    at_most: float | None = None
    times_chance: float | None = None
    groups: bool = False
    failures: int = Field(0, ge=0)

    @property
    def goal(self) -> str:
        """The goal in words; "" where there is none."""
        unit = f" {self.unit}" if self.unit else ""
        if self.at_least is not None:
            return f">= {self.at_least:.2f}{unit}"
        if self.at_most is not None:
            digits = 1 if self.unit else 2
            return f"<= {self.at_most:.{digits}f}{unit}"
        return f">= {self.times_chance:g} x chance" if self.times_chance else ""

    def is_met(self, value: float, baseline: float | None) -> bool | None:
        """Return whether a value reaches the goal; None where there is none."""
        if self.at_least is not None:
            return value >= self.at_least
        if self.at_most is not None:
            return value <= self.at_most
        if self.times_chance is not None and baseline is not None:
            return value >= self.times_chance * baseline
        return None


class Table(_Record):
    """All parts and rows, in order."""

    part: tuple[Part, ...]
    row: tuple[Row, ...]

    @model_validator(mode="after")
    def _parts_are_known(self) -> "Table":
        names = [part.name for part in self.part]
        if len(set(names)) < len(names):
            raise ValueError(f"two parts share a name: {names}")
        for row in self.row:
            if row.part not in names:
                raise ValueError(f"{row.title!r} is of no part: {row.part!r}")
        return self

    def benchmarks(self, part: Part) -> list[str]:
        """Return the benchmarks of a part, each once, in order."""
        named = (row.benchmark for row in self.row if row.part == part.name)
        return list(dict.fromkeys(named))


def read_table(path: Path = TABLE) -> Table:
    """Read a table.

    Raises:
        ParseError: If it is missing or not valid; names the field.
    """
    try:
        return Table.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise ParseError(
            f"There is no table {str(path)!r}. Name a TOML file with --table."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParseError(f"{path} is no TOML: {error}. Correct the line.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ParseError(f"{path}: {where}: {first['msg']}. Correct it.") from None
