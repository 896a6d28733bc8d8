"""Whatever a decoder raises leaves as one line."""

import pytest

from rsvlm.decode import decoding
from rsvlm.errors import ImageError, SettingsError


def test_decoding_keeps_user_errors_and_bugs() -> None:
    with pytest.raises(SettingsError, match="kept"), decoding("x"):
        raise SettingsError("kept")
    with pytest.raises(NameError), decoding("x"):
        raise NameError("a bug")
    with pytest.raises(ImageError, match=r"x needs more memory"), decoding("x"):
        raise MemoryError
    with pytest.raises(ImageError, match=r"x cannot be decoded \(a b\)"), decoding("x"):
        raise TypeError("a\nb")
