"""Images as requests name them: data URIs, ids of files, and URLs where allowed."""

import base64
import binascii

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.fetching import fetch
from rsvlm.app.server.file_samples import PREFIX
from rsvlm.app.server.files import TEXT_PURPOSES, FileStore, StoredFile
from rsvlm.app.server.incoming import shown_bytes
from rsvlm.decode import shown


class Images:
    """Finds the file that a request means, and keeps those that it brings along.

    .. versionadded:: 0.2
    """

    def __init__(self, store: FileStore) -> None:
        self.store = store

    async def resolve(self, url: str, owner: str) -> StoredFile:
        """Return the file behind the address of an image.

        Args:
            url: A data URI, the id of a file or of a sample scene, or the URL of an
                image on a host of the settings.
            owner: Who asks. What he brings along is his, and kept for a while; the
                same image is kept once.

        Raises:
            ImageError: If it is no image that can be decoded within the limits.
            ApiError: If there is no such file, the address is of another kind, or the
                image is too large.
        """
        return await self.store.turns.run(owner, self.find, url, owner)

    def find(self, url: str, owner: str) -> StoredFile:
        """Return the same, in the thread of the caller."""
        scheme = url[:8].lower()
        if scheme.startswith("data:"):
            data = self._inline(url)
            return self.store.add_passing(owner, "image", data, "inline")
        if scheme.startswith(("http://", "https://")):
            name, data = fetch(url, self.store.limits)
            return self.store.add_passing(owner, name, data, "fetched")
        if not url.startswith(("file-", PREFIX)):
            raise ApiError(
                400,
                f"{shown(url, 40)!r} is no image. Give a data URI "
                "(data:image/png;base64,...) or the id of an uploaded file (file-...).",
                code="invalid_image_url",
            )
        stored = self.store.get(owner, url)
        if stored.purpose in TEXT_PURPOSES:
            raise ApiError(
                400,
                f"The file {stored.id} was uploaded for {stored.purpose}; it is no "
                "image. Upload an image with the purpose vision.",
                code="not_an_image",
            )
        return stored

    def _inline(self, url: str) -> bytes:
        """Return the bytes of a data URI; what it says of their type is not believed."""
        head, comma, text = url.partition(",")
        most = self.store.limits.inline_bytes
        if len(text) > 2 * most:  # with line breaks, base64 takes 1.4 bytes for one
            raise _too_large(most)
        if not comma or not head.lower().endswith(";base64"):
            raise ApiError(
                400,
                "The data URI is not base64. Write data:image/png;base64, and the "
                "bytes of the file in base64.",
                code="invalid_image_url",
            )
        try:
            data = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            raise ApiError(
                400,
                "The data URI holds text that is not base64. Encode the bytes of the "
                "file anew, with padding.",
                code="invalid_image_url",
            ) from None
        if len(data) > most:
            raise _too_large(most)
        return data


def _too_large(most: int) -> ApiError:
    return ApiError(
        413,
        f"An image inside a request may have {shown_bytes(most)}. Upload a larger one: "
        "POST /v1/files, and give its id.",
        code="image_too_large",
    )
