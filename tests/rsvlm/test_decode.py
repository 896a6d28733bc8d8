"""A decoder in a child process may crash or hang; the caller gets one line."""

import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.decode import decoding, guarded
from rsvlm.errors import ImageError, RsvlmError, SettingsError
from rsvlm.raster import probe
from rsvlm.render import View, choose
from rsvlm.sensors import SensorGuess

RGB = SensorGuess("optical", "a test.", {"red": 1, "green": 2, "blue": 3}, "uint8")


def run(function: Callable[..., Any], *args: Any, seconds: float = 60) -> Any:
    return guarded(function, *args, seconds=seconds, memory_bytes=2**30)


def test_a_child_answers(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(bands).save(tmp_path / "a.png")
    view: View = run(probe, tmp_path / "a.png", "a.png")
    assert np.array_equal(view.pixels, bands)
    assert (view.rendering, view.window.width) == ("true-colour", 30)


@pytest.mark.parametrize(
    ("function", "argument", "text"),
    [
        (signal.raise_signal, signal.SIGSEGV, r"crashed the decoder \(SIGSEGV\)"),
        (os._exit, 0, r"ended the decoder \(status 0\)"),
        (bytes, 2**31, "needs more than 1024 MiB"),
    ],
)
def test_a_child_may_die(function: Any, argument: int, text: str) -> None:
    if function is bytes and not Path("/proc/self/statm").exists():
        pytest.skip("memory is not limited on this system")
    with pytest.raises(ImageError, match=text) as caught:
        run(function, argument)
    assert "\n" not in str(caught.value)
    assert run(abs, -3) == 3  # the next one works


@pytest.mark.parametrize(
    ("function", "argument"), [(time.sleep, 99), (sum, range(10**12))]
)
def test_a_child_may_not_take_forever(function: Any, argument: Any) -> None:
    run(abs, 1)  # the server of children is up
    start = time.perf_counter()
    with pytest.raises(ImageError, match="took longer than 2 s"):
        run(function, argument, seconds=2)
    assert time.perf_counter() - start < 20


def test_a_large_answer_comes_whole() -> None:
    assert run(bytes, 20_000_000) == bytes(20_000_000)


@pytest.mark.parametrize(
    ("function", "args", "error", "text"),
    [
        (choose, ("ndvi", RGB), SettingsError, "needs the band nir"),
        (choose, ("ndvy", RGB), ImageError, "Unknown rendering 'ndvy'"),
        (probe, (b"no image", "upload"), ImageError, "upload is not a GeoTIFF"),
        (
            math.sqrt,
            (-1,),
            ImageError,
            r"ValueError: .*math domain|ValueError: expected",
        ),
    ],
)
def test_errors_come_back_as_user_errors(
    function: Any, args: tuple[Any, ...], error: type[RsvlmError], text: str
) -> None:
    with pytest.raises(error, match=text):
        run(function, *args)


def test_decoding_keeps_user_errors_and_bugs() -> None:
    with pytest.raises(SettingsError, match="kept"), decoding("x"):
        raise SettingsError("kept")
    with pytest.raises(NameError), decoding("x"):
        raise NameError("a bug")
    with pytest.raises(ImageError, match=r"x needs more memory"), decoding("x"):
        raise MemoryError
    with pytest.raises(ImageError, match=r"x cannot be decoded \(a b\)"), decoding("x"):
        raise TypeError("a\nb")
