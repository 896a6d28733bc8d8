"""A benchmark: samples, how they are asked, and the protocols that score the replies.

Benchmarks are YAML files beside this module in ``benchmarks/``; users add a folder of
their own. A file holds no code: metrics are named, and :mod:`rsvlm.eval.protocols`
knows the names.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rsvlm.errors import ParseError, SettingsError, UnknownNameError

#: Benchmarks that ship.
FOLDER = Path(__file__).parent / "benchmarks"

Space = Literal[
    "norm1000", "norm999", "norm100", "norm1", "pixel", "pixel_resized", "answer"
]
TaskName = Literal[
    "caption", "vqa", "mcq", "classify", "ground", "ground_multi", "detect", "segment",
    "retrieve", "count",
]  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSpec(_Part):
    """Where the samples are.

    Attributes:
        file: JSONL file of samples, relative to the benchmark's data folder.
        sha256: Hash of that file; a mismatch is an error. None: not checked.
        images: Folder of the images, relative to ``file``.
        license: Terms of the data.
        convert: Name of the converter that makes ``file`` from the upstream layout.
        build: Recipe of ``rsvlm data build`` that makes it, for our own benchmarks.
        where: Keep samples whose field (``task``, ``source``, ``type``, ``split``) or
            ``meta`` entry has this value, or one of these values.
    """

    file: str
    sha256: str | None = None
    images: str = "."
    license: str = Field(min_length=1)
    convert: str | None = None
    build: str | None = None
    where: dict[str, str | bool | int | tuple[str, ...]] = Field(default_factory=dict)


class Prompt(_Part):
    """How a sample is asked; ``{question}`` and ``{options}`` are filled in."""

    id: str
    user: str = "{question}"


class GenerationSpec(_Part):
    """How a model writes."""

    temperature: float = Field(0.0, ge=0)
    max_tokens: int = Field(64, ge=1)


class Coords(_Part):
    """In which numbers a model writes boxes.

    Attributes:
        space: ``norm1000``: 0-1000 of the image, and so on; ``pixel``: pixels of the
            original image; ``pixel_resized``: of the image as it was sent; ``answer``:
            boxes come as regions of an rsvlm answer, in raster pixels.
        box: Order of the numbers.
        angle: Sense of an angle on screen, for ``cxcywha`` and ``xyxya``.
    """

    space: Space = "answer"
    box: Literal["xyxy", "cxcywha", "xyxya", "quad"] = "xyxy"
    angle: Literal["cw", "ccw"] | None = None


class Protocol(BaseModel):
    """One way to score; further keys are parameters of the metric."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str = Field(min_length=1)
    metric: str
    primary: bool = False
    legacy: bool = False

    @property
    def params(self) -> dict[str, Any]:
        """The further keys."""
        return dict(self.model_extra or {})


class Benchmark(_Part):
    """One benchmark."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    version: int = Field(ge=1, description="one more on any change of prompt or rules")
    title: str
    source: str = Field(description="paper or repository")
    task: TaskName
    modality: tuple[Literal["optical", "sar", "multispectral"], ...] = ("optical",)
    data: DataSpec
    prompt: Prompt
    generation: GenerationSpec = GenerationSpec()
    coords: Coords | None = None
    parse: str = "text"
    group_by: tuple[str, ...] = ()
    cluster_by: Literal["image", "id"] = "image"
    protocols: tuple[Protocol, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_protocol_is_primary(self) -> "Benchmark":
        ids = [protocol.id for protocol in self.protocols]
        if len(set(ids)) < len(ids):
            raise ValueError(f"two protocols share an id: {ids}")
        if sum(protocol.primary for protocol in self.protocols) != 1:
            raise ValueError("exactly one protocol is primary")
        return self


def paths(include: Sequence[Path] = ()) -> dict[str, Path]:
    """Return name -> YAML file of every benchmark; those of the user come first."""
    found: dict[str, Path] = {}
    for folder in (*include, FOLDER):
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def load(name: str, include: Sequence[Path] = ()) -> Benchmark:
    """Read a benchmark by name.

    Raises:
        UnknownNameError: If there is none of that name.
        ParseError: If the file is no benchmark; names the field.
        SettingsError: If the file calls itself something else.
    """
    known = paths(include)
    if name not in known:
        raise UnknownNameError("benchmark", name, known)
    path = known[name]
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        benchmark = Benchmark.model_validate(fields)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())[:200]
        raise ParseError(f"{path} is no YAML: {where}. Correct the line.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ParseError(f"{path}: {where}: {first['msg']}.") from None
    if benchmark.name != name:
        raise SettingsError(
            f"{path} calls itself {benchmark.name!r}. Name the file "
            f"{benchmark.name}.yaml."
        )
    return benchmark


def load_all(include: Sequence[Path] = ()) -> Iterator[Benchmark]:
    """Yield every benchmark, by name."""
    for name in sorted(paths(include)):
        yield load(name, include)
