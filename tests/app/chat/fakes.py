"""A server with the chat page whose answers are known beforehand."""

import io
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI

from rsvlm.answer import (
    Answer,
    AnswerImage,
    AnswerRegion,
    Evidence,
    ModelInfo,
    TraceStep,
)
from rsvlm.app.chat.page import mount
from rsvlm.app.chat.sessions import session_owner
from rsvlm.app.server.admission import Admission
from rsvlm.app.server.app import create_app
from rsvlm.app.server.file_routes import router as file_routes
from rsvlm.app.server.files import FileStore, StoredFile
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.images import Images
from rsvlm.app.server.service import Service
from rsvlm.app.viewer.routes import router as viewer_routes
from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import EngineError
from rsvlm.geometry import HBB, Region
from rsvlm.progress import report
from rsvlm.raster import Raster

#: Text of a model that tries to have the browser fetch something.
LEAK = (
    "![a](http://198.51.100.7/md) <img src=http://198.51.100.7/html> "
    "<script>window.pwned = 1</script> <a href='javascript:window.pwned = 1'>x</a> "
    "<b onmouseover='window.pwned = 1'>y</b> ${window.pwned = 1} {{value}}"
)

#: What is found in every picture.
FOUND = (
    Region(HBB(30, 40, 60, 80), "tennis court", 0.97, 0),
    Region(HBB(120, 90, 150, 130), "pond", 0.55, 0),
)


@dataclass(frozen=True)
class Scripted(Assistant):
    """Answers by the words of the question; see :func:`scripted`."""

    def ask(
        self,
        rasters: Sequence[Raster],
        question: str,
        task: str = "auto",
        *,
        shape: Any = None,
        seed: int | None = None,
        on_text: Callable[[str], None] | None = None,
        history: Sequence[Any] = (),
        focus: Sequence[Any] = (),
        **_: Any,
    ) -> Answer:
        start = time.perf_counter()
        report("look")
        asked = question.lower()
        for word in ["A", "draft", "that", "may", "change"]:
            if on_text:
                on_text(f"{word} ")
        if "slow" in asked:
            for number in range(600):
                report("search", number, 600)
                time.sleep(0.05)
        if "broken" in asked:
            raise EngineError("The engine at http://10.0.0.1:8000 is down.")
        if "crash" in asked:
            raise RuntimeError("/secret/path")
        text, regions, fields = _scripted(asked, rasters, history, focus)
        if seed:
            text = f"Try {seed}. {text}"
        return Answer(
            task=task if task != "auto" else "ground",
            question=question,
            text=text,
            images=tuple(AnswerImage.of(i, r) for i, r in enumerate(rasters)),
            regions=tuple(
                AnswerRegion.of(n, r, rasters[r.image].georeference)
                for n, r in enumerate(regions, 1)
            ),
            trace=_trace(rasters, regions),
            model=ModelInfo(name="scripted", engine="stub"),
            timing_ms={"total": round(1000 * (time.perf_counter() - start))},
            **({"confidence": 0.93} | fields),
        )


def _scripted(
    asked: str, rasters: Sequence[Raster], history: Sequence[Any], focus: Sequence[Any]
) -> tuple[str, list[Region], dict[str, Any]]:
    if "leak" in asked:
        return LEAK, [Region(HBB(8, 8, 40, 40), '"><img src=x onerror=y>', 0.5, 0)], {}
    if "unsure" in asked:
        reason = "Cars cannot be seen at 10 m per pixel."
        return reason, [], {"abstained": True, "confidence": 1.0}
    if "airport" in asked:
        passage = Evidence(
            id=1, text="The airport was opened in 1930.", source="World ports and airports",
            licence="CC0-1.0", url="https://example.org/airport", distance_km=3.2,
        )  # fmt: skip
        return "It was opened in 1930 [1].", [], {"evidence": (passage,)}
    if "second one" in asked:
        told = history[-1]  # of a client that sends words, without its regions
        last = told.regions[1] if told.regions else FOUND[1]
        return f"The second one is a {last.label}.", [last], {}
    if focus:
        box = focus[0].box
        place = f"{box.x0:.0f}, {box.y0:.0f} to {box.x1:.0f}, {box.y1:.0f}"
        return f"At the place {place}: grass.", [], {"confidence": 0.6}
    if len(rasters) > 1:
        text = "Optical (image 1): two courts. Radar (image 2): a bright roof."
        return text, [Region(HBB(8, 8, 40, 40), "roof", 0.8, 1)], {}
    warnings = ("The bands were guessed from their number.",)
    return "Found 1 tennis court and 1 pond.", list(FOUND), {"warnings": warnings}


def _trace(
    rasters: Sequence[Raster], regions: Sequence[Region]
) -> tuple[TraceStep, ...]:
    steps = [
        TraceStep(
            step="look", image=i, window=(0, 0, r.width, r.height), size=(256, 192),
            rendering="true-colour", sensor=r.sensor, ms=12,
        )
        for i, r in enumerate(rasters)
    ]  # fmt: skip
    whole = (0.0, 0.0, float(rasters[0].width), float(rasters[0].height))
    if regions:
        steps.append(
            TraceStep(
                step="score", image=0, window=whole, scores=((0.1, 0.9), (0.2, 0.4))
            )
        )
        steps.append(
            TraceStep(step="zoom", image=0, window=(0, 0, 128, 96), score=0.9, ms=20)
        )
    return tuple(steps)


def scripted() -> Assistant:
    """Return an assistant whose answers depend on the words of the question alone."""
    return Scripted(StubEngine(["stub"]))


class SampleStore(FileStore):
    """A store whose sample scenes are made by code."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.own: dict[str, StoredFile] = {}
        for name, size in (("wye-mills", 512), ("la-plata", 300)):
            data = geotiff(size, size, seed=len(name))
            stored = self.add("", f"{name}.tif", io.BytesIO(data))
            self.own[f"sample-{name}"] = replace(stored, id=f"sample-{name}")

    def samples(self) -> tuple[StoredFile, ...]:
        return tuple(self.own.values())

    def get(self, owner: str, id: str) -> StoredFile:
        return self.own.get(id) or super().get(owner, id)


def geotiff(
    width: int, height: int, *, bands: int = 3, seed: int = 0, dtype: str = "uint8"
) -> bytes:
    """Return a GeoTIFF of Maryland at 1 m: fields, with a bright court and a pond."""
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    green = 90 + 40 * np.sin(columns / 37) * np.cos(rows / 23)
    noise = random.normal(0, 9, (height, width))
    pixels = np.stack([green * 0.8 + noise, green + noise, green * 0.6 + noise])
    pixels[:, 40:80, 30:60] = np.array([190, 120, 90])[:, None, None]
    pixels[:, 90:130, 120:150] = np.array([20, 40, 60])[:, None, None]
    values = np.clip(pixels[:bands], 1, 254).astype(dtype)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=bands, dtype=dtype,
            crs="EPSG:26918", transform=from_origin(405_000, 4_312_000, 1, 1),
            tiled=True, blockxsize=256, blockysize=256,
        ) as file:  # fmt: skip
            file.write(values)
        return bytes(memory.read())


def chat_app(
    folder: Path, assistant: Assistant | None = None, **limits: Any
) -> FastAPI:
    """Return the whole server with the page, over scripted answers."""
    gate = GateLimits(**limits)
    store, admission = SampleStore(folder), Admission(gate)
    answers = {"scripted": assistant or scripted()}
    service = Service(answers, store, admission, Images(store).resolve)
    return create_app(
        service,
        admission,
        gate,
        routers=(file_routes(store), viewer_routes(store, session_owner)),
        mounts=(lambda app: mount(app, service, store, folder=folder),),
        lifespans=(lambda: _closing(store),),
        home="/chat",
        body_limits={"/v1/files": 2**30, "/chat/gradio_api/upload": 2**30},
    )


@asynccontextmanager
async def _closing(store: FileStore) -> AsyncIterator[None]:
    yield
    store.close()
