"""The images in a request's body: a form with files, or one image as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from evoca.serving.refusals import Refusal
from evoca.serving.service import Upload

__all__ = ["FIELD", "read_uploads"]

FIELD = "files"
"""The field of a form that holds images."""
BODY = "body"
_LONGEST_NAME = 1024
_NO_IMAGE = f"no image: send one or more files in the field {FIELD}"


async def read_uploads(
    headers: Headers, body: AsyncIterator[bytes], *, max_files: int, max_bytes: int
) -> list[Upload]:
    """Return the images of a request, in memory.

    Args:
        headers: of the request.
        body: what comes of it, within its limits.
        max_files: images at most.
        max_bytes: of the body.

    Raises:
        Refusal: 415 for a type that is none of images, 400 for a damaged form, 413 for too many
            images, 422 for none.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "a compressed body is not taken: send it as it is")
    if kind == "multipart/form-data":
        return await _form(headers, body, max_files, max_bytes)
    if kind == "application/octet-stream" or kind.startswith("image/"):
        data = b"".join([part async for part in body])
        if not data:
            raise Refusal(422, "no image: the body is empty")
        return [Upload(BODY, data)]
    raise Refusal(
        415,
        f"{kind or 'no content type'}: send multipart/form-data with the field {FIELD}, or one "
        "image as image/jpeg, image/png, ... or application/octet-stream",
    )


class _Parser(MultiPartParser):
    """Keeps files in memory: nothing of what is sent touches a disk."""

    def __init__(
        self, headers: Headers, body: AsyncIterator[bytes], max_files: int, max_bytes: int
    ) -> None:
        super().__init__(headers, body, max_files=max_files + 1, max_fields=0)  # type: ignore[arg-type]
        self.spool_max_size = max_bytes + 1
        self.is_whole = False

    def on_end(self) -> None:
        self.is_whole = True


async def _form(
    headers: Headers, body: AsyncIterator[bytes], max_files: int, max_bytes: int
) -> list[Upload]:
    parser = _Parser(headers, body, max_files, max_bytes)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise _too_many(max_files) from error
        if error.message.startswith("Too many fields"):
            raise Refusal(422, f"a field without a file name: {_NO_IMAGE}") from error
        raise Refusal(400, f"a damaged form: {error.message}") from error
    try:
        if not parser.is_whole:
            raise Refusal(400, "a damaged form: its end is missing")
        return await _uploads(form, max_files)
    finally:
        await form.close()


async def _uploads(form: FormData, max_files: int) -> list[Upload]:
    found = []
    for name, file in form.multi_items():
        if name != FIELD or not isinstance(file, UploadFile):
            raise Refusal(422, f"the field {name[:100]!r} is not known: {_NO_IMAGE}")
        found.append(Upload((file.filename or FIELD)[:_LONGEST_NAME], await file.read()))
    if not found:
        raise Refusal(422, _NO_IMAGE)
    if len(found) > max_files:
        raise _too_many(max_files)
    return found


def _too_many(max_files: int) -> Refusal:
    return Refusal(413, f"more than {max_files} images: send them in several requests")
