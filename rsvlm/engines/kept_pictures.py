"""Pictures that a server keeps under a name of ours, so that they are sent once.

vLLM keeps pictures that it has prepared. With a name beside it (``uuid``) a picture is
neither decoded nor hashed again, and one that is there need not be sent: on two cores
that costs more than the answer does. The name is a hash of all that makes the picture.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from rsvlm.codec import Codec
from rsvlm.engines.wire import Pictures
from rsvlm.render import View

#: Names that are remembered; a server that has dropped one asks for the picture again.
REMEMBERED = 512
#: What vLLM says of a picture that it does not have.
_MISSING = "cache miss"


class KeptPictures(Pictures):
    """Views as parts of messages, whole the first time and by name from then on."""

    def __init__(self, codec: Codec, most_bytes: float) -> None:
        """Set the dialect, which decides the size, and the limit of a data URI."""
        super().__init__(codec, most_bytes)
        self._there = OrderedDict[str, None]()

    def part(self, view: View) -> dict[str, Any]:
        """Return a view as a part of a message.

        Raises:
            SettingsError: If it is larger than the server takes.
        """
        key = self.key(view)
        with self._lock:
            there = key in self._there
        whole = None if there else {"url": self.uri(view)}
        return {"type": "image_url", "image_url": whole, "uuid": key}

    def answered(self, chat: Sequence[dict[str, Any]]) -> None:
        """Note that the server has answered these messages: it has their pictures."""
        with self._lock:
            for message in chat:
                for part in message["content"]:
                    if isinstance(part, dict) and "uuid" in part:
                        self._there[part["uuid"]] = None
                        self._there.move_to_end(part["uuid"])
            while len(self._there) > REMEMBERED:
                self._there.popitem(last=False)

    def lost(self, error: Exception) -> bool:
        """Say whether a request failed for want of a picture, to be sent again.

        A server that was started anew has lost them all.
        """
        if _MISSING not in str(error).lower():
            return False
        with self._lock:
            self._there.clear()
        return True
