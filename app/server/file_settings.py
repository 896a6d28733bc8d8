"""What the server takes in: sizes, lifetimes, and what a decoder may use up."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rsvlm.opening import Limits
from rsvlm.sandbox_child import ChildLimits

MIB, GIB = 2**20, 2**30


class FileLimits(BaseModel):
    """Limits of uploads and of images in requests; each has a safe default.

    .. versionadded:: 0.2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_bytes: int = Field(4 * GIB, ge=1, description="largest upload")
    owner_bytes: int = Field(20 * GIB, ge=1, description="all files of one key")
    owner_files: int = Field(1000, ge=1, description="files of one key")
    seconds: int = Field(
        7 * 86_400, ge=1, description="lifetime of an upload; a client may ask for less"
    )
    inline_bytes: int = Field(
        32 * MIB, ge=1, description="largest image in a request, decoded from base64"
    )
    inline_seconds: int = Field(
        3600, ge=1, description="how long an image in a request is kept after its use"
    )
    bands: int = Field(64, ge=1, description="most bands of an image")
    block_bytes: int = Field(64 * MIB, ge=1, description="largest block of an image")
    whole_pixels: int = Field(
        100_000_000, ge=1, description="most pixels of a PNG, JPEG, WebP or JPEG 2000"
    )
    view_pixels: int = Field(16 * 2**20, ge=1, description="most pixels of one view")
    child_bytes: int = Field(
        GIB, ge=64 * MIB, description="memory of the process that decodes one image"
    )
    call_seconds: float = Field(
        30.0,
        gt=0,
        description="longest decoding of one view, and a second more for each 20 "
        "million samples of it",
    )
    children: int = Field(16, ge=1, description="images that may be open at a time")
    hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:\d{1,5})?$")], ...] = (
        Field(
            (),
            description="hosts that images may be fetched from, as host[:port]; none "
            "means that no URL is fetched",
        )
    )
    fetch_bytes: int = Field(64 * MIB, ge=1, description="largest fetched image")
    fetch_seconds: float = Field(20.0, gt=0, description="longest fetching of an image")

    @property
    def image(self) -> Limits:
        """What one image may ask for."""
        return Limits(
            bands=self.bands,
            block_bytes=self.block_bytes,
            whole_pixels=self.whole_pixels,
            view_pixels=self.view_pixels,
        )

    @property
    def child(self) -> ChildLimits:
        """What the process that decodes one image may take."""
        return ChildLimits(
            memory_bytes=self.child_bytes,
            seconds=self.call_seconds,
            children=self.children,
        )
