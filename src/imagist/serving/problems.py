"""Errors as problem documents (RFC 9457), and the status of every error of imagist."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse

from imagist.errors import (
    DeadlinePassed,
    ImageTooLarge,
    ImagistError,
    ItemError,
    MissingExtra,
    ModelFailed,
    UnknownFormat,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:imagist:problem:"
"""What the type of a problem begins with; its kind follows."""

_STATUS: tuple[tuple[type[ImagistError], int], ...] = (
    (ImageTooLarge, 413),
    (UnknownFormat, 415),
    (ModelFailed, 500),
    (DeadlinePassed, 503),
    (ItemError, 422),
    (UsageError, 422),
    (MissingExtra, 501),
)


class Problem(Exception):
    """A request that is answered by a problem document.

    Attributes:
        status: Of the answer.
        kind: Which problem, in snake case; stable, for clients.
        detail: What is wrong with this request, in a sentence.
        headers: Further headers of the answer.
        members: Further members of the document.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.headers, self.members = dict(headers or {}), dict(members or {})

    def document(self) -> dict[str, object]:
        """The members of the document; JSON values."""
        return {
            "type": f"{TYPE}{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "kind": self.kind,
            **self.members,
        }

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.document(), self.status, self.headers, MEDIA_TYPE)


def busy(status: int, kind: str, detail: str, after_s: float) -> Problem:
    """A request that may succeed later: 429 or 503 with ``Retry-After``, at least a second."""
    return Problem(status, kind, detail, headers={"Retry-After": str(max(1, round(after_s + 0.5)))})


def status_of(error: ImagistError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem_of(error: ImagistError, members: Mapping[str, object] | None = None) -> Problem:
    """The problem of an error. A fault of the service is not told to its clients."""
    status = status_of(error)
    if status == 500 and not isinstance(error, ItemError):
        return Problem(500, "internal_error", "the service failed", members=members)
    detail = f"{error.message} ({error.remedy})" if error.remedy else error.message
    headers = {"Retry-After": "1"} if status == 503 else {}
    return Problem(status, error.kind, detail, headers=headers, members=members)
