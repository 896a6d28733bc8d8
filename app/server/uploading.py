"""Uploads: a multipart form whose file goes to the store while it comes in.

Starlette's own form reader would write the file to the folder for temporary files
first, which may be memory, and only then hand it on.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from rsvlm.app.server.errors import ApiError

#: Most bytes of a field that is no file, and of the headers of a part.
_FIELD, _HEADERS = 4096, 4096
#: Most parts of a form.
_PARTS = 16


class Form:
    """What came in besides the bytes of the file.

    Attributes:
        fields: Name -> text of every field that is no file.
        file_name: What the client calls the file; None if there was none.

    .. versionadded:: 0.2
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self._write = write
        self._parts, self._ended = 0, False
        self._header, self._headers = [bytearray(), bytearray()], 0
        self._name, self._is_file, self._text = "", False, bytearray()

    async def read(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        """Read a whole form.

        Args:
            content_type: The header of that name.
            stream: The body.

        Raises:
            ApiError: If it is no such form, or is incomplete.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
            raise _bad_form("The body is not multipart/form-data", "file")
        parser = MultipartParser(boundary, self._callbacks())
        try:
            async for chunk in stream:
                if chunk:
                    await run_in_threadpool(parser.write, chunk)
        except FormParserError as error:
            raise _bad_form("The form cannot be read", None) from error
        if not self._ended:
            raise _bad_form("The form is incomplete", None)
        if self.file_name is None:
            raise _bad_form("The form has no part 'file' with a file name", "file")

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._head(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._head(1, data[start:end]),
            "on_header_end": self._header_end,
            "on_part_data": lambda data, start, end: self._data(data[start:end]),
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise _bad_form(f"The form has more than {_PARTS} parts", None)
        self._name, self._is_file, self._text = "", False, bytearray()
        self._headers = 0

    def _head(self, part: int, data: bytes) -> None:
        self._headers += len(data)
        if self._headers > _HEADERS:
            raise _bad_form("A part of the form has headers that are too long", None)
        self._header[part] += data

    def _header_end(self) -> None:
        field, value = (bytes(part) for part in self._header)
        self._header = [bytearray(), bytearray()]
        if field.lower() != b"content-disposition":
            return
        _, options = parse_options_header(value)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        name = options.get(b"filename")
        if self._name == "file" and name is not None:
            if self.file_name is not None:
                raise _bad_form("The form has more than one file", "file")
            self._is_file, self.file_name = True, name.decode("utf-8", "replace")

    def _data(self, data: bytes) -> None:
        if self._is_file:
            self._write(data)
            return
        self._text += data
        if len(self._text) > _FIELD:
            raise _bad_form(f"A field of the form has more than {_FIELD} bytes", None)

    def _part_end(self) -> None:
        if not self._is_file:
            self.fields[self._name] = self._text.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True


def _bad_form(what: str, param: str | None) -> ApiError:
    return ApiError(
        400,
        f"{what}. Send a form with a part 'file' and a field 'purpose', as curl "
        "-F file=@port.tif -F purpose=vision does.",
        code="invalid_form",
        param=param,
    )
