"""Settings of the chat page."""

from pydantic import BaseModel, ConfigDict, Field


class ChatSettings(BaseModel):
    """What the chat page keeps, and for how long.

    .. versionadded:: 0.2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    history_days: float = Field(
        14.0, gt=0, description="days after which an untouched conversation is deleted"
    )
    max_upload_bytes: int = Field(
        4 * 2**30, ge=1024, description="largest image that the page uploads"
    )
    max_images: int = Field(8, ge=1, le=64, description="images of one question")
