"""Looking closer at the images of a question."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from rsvlm.answer_parts import TraceStep
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, Window
from rsvlm.messages import Generation
from rsvlm.raster import Raster
from rsvlm.zoom import MOST_TURNS, Look, Zoom, look_closer
from rsvlm.zooming import Closer, zoom_in


def raster(side: int = 64) -> Raster:
    import io

    from PIL import Image

    file = io.BytesIO()
    pixels = np.random.default_rng(side).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return Raster.from_bytes(file.getvalue(), f"{side}.png")


@dataclass
class Corner:
    """Looks at a corner of every second image, and answers."""

    seen: list[int] = field(default_factory=list)

    def next(self, look: Look) -> Sequence[Zoom]:
        self.seen.append(look.image)
        look.warnings.append(f"image {look.image}")
        if look.zooms or look.image % 2:
            look.reply = Generation(f"reply {look.image}")
            return ()
        return (Zoom(Window(HBB(0, 0, 8, 8), 8, 8), 0.5, 0, "a corner"),)


def ask(name: str, count: int = 1) -> tuple[Corner, Closer]:
    policy = Corner()
    rasters = [raster(64 + i) for i in range(count)]
    overviews = [one.preview() for one in rasters]
    found = zoom_in({"search": policy}, name, "Where is it?", "vqa", rasters, overviews)
    return policy, found


def test_each_image_is_looked_at_by_itself() -> None:
    _, found = ask("search", 3)
    assert {i: len(views) for i, views in found.views.items()} == {0: 1, 2: 1}
    assert found.views[2][0].image == 2
    assert found.views[2][0].pixels.shape == (8, 8, 3)
    assert found.reply is None  # three replies are no answer to one question
    assert found.warnings[0] == "image 0"
    (first, second) = found.trace
    assert (first.image, second.image) == (0, 2)
    assert first == TraceStep(
        step="zoom", image=0, window=(0, 0, 8, 8), size=(8, 8), score=0.5, level=0,
        rendering=first.rendering, sensor="optical", scale=1.0, note="a corner",
        ms=first.ms,
    )  # fmt: skip


def test_the_reply_of_one_image_is_kept() -> None:
    _, found = ask("search")
    assert found.reply == Generation("reply 0")


@pytest.mark.parametrize("name", ["none", "auto"])
def test_nothing_is_chosen_where_nothing_can(name: str) -> None:
    policy, found = ask(name)
    assert found == Closer({}, (), (), None)
    assert not policy.seen


def test_a_policy_that_does_not_exist_is_named() -> None:
    with pytest.raises(SettingsError, match=r"zoom by 'chain'.*none, auto, search\."):
        ask("chain")


def test_a_policy_that_never_stops_is_stopped() -> None:
    @dataclass
    class Endless:
        def next(self, look: Look) -> Sequence[Zoom]:
            return (Zoom(Window(HBB(0, 0, 8, 8), 8, 8)),)

    with raster() as opened:
        look = Look("?", "vqa", opened, [opened.preview()])
        assert len(look_closer(Endless(), look)) == MOST_TURNS
