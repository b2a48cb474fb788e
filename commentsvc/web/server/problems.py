"""Refusals as problem+json (RFC 9457). Only this module maps an error to a status."""

from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web

from commentsvc.domain import errors
from commentsvc.domain.errors import Invalid, RateLimited, Refusal
from commentsvc.domain.fields import one_of
from commentsvc.domain.messages import translatable
from commentsvc.web.pages.messages import Explanation

STATUS_OF_ERROR: Final[dict[type[Refusal], int]] = {
    errors.MalformedRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.OriginNotAllowed: 403,
    errors.HttpsRequired: 403,
    errors.NotAuthor: 403,
    errors.ThreadClosed: 403,
    errors.RejectedByRule: 403,
    errors.NotFound: 404,
    errors.TooSlow: 408,
    errors.Conflict: 409,
    errors.Duplicate: 409,
    errors.ExpectationFailed: 409,
    errors.Gone: 410,
    errors.VersionConflict: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.Invalid: 422,
    errors.SubmissionReused: 422,
    errors.VersionRequired: 428,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
    errors.OutcomeUnknown: 503,
}
CONTENT_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5

# Errors of the framework, by status: code and title.
FRAMEWORK: Final = {
    400: ("bad_request", errors.MalformedRequest.title),
    404: ("not_found", errors.NotFound.title),
    405: ("method_not_allowed", "Method not allowed."),
    408: (errors.TooSlow.code, errors.TooSlow.title),
    413: (errors.TooLarge.code, errors.TooLarge.title),
    415: (errors.UnsupportedMediaType.code, errors.UnsupportedMediaType.title),
    417: ("expectation_not_met", "Unsupported Expect header."),
    431: ("header_too_large", "The request header is too large."),
    500: ("internal_error", translatable("Internal error. Try again later.")),
}


class ProblemFault(msgspec.Struct, frozen=True):
    """One invalid field, and how to correct it."""

    field: str
    code: Annotated[errors.FieldCode, one_of("FieldErrorCode")]
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was refused. ``code`` is for programs, ``detail`` for people."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, one_of("ErrorCode")]
    errors: list[ProblemFault]


def problem_of(error: Refusal, explanation: Explanation | None = None) -> Problem:
    """Return a refusal as a problem, in English unless there is a translated explanation."""
    faults = error.faults if isinstance(error, Invalid) else ()
    fields = explanation.fields if explanation else {}
    return _problem(
        STATUS_OF_ERROR[type(error)],
        error.code,
        explanation.title if explanation else error.title,
        explanation.detail if explanation else error.detail,
        [ProblemFault(fault.field, fault.code, fields.get(fault.field, fault.detail)) for fault in faults],
    )


def framework_problem(status: int, detail: str = "") -> Problem:
    """Return an error of the framework as a problem."""
    code, title = FRAMEWORK.get(status, (HTTPStatus(status).name.lower(), HTTPStatus(status).phrase))
    return _problem(status, code, title, detail or title, [])


def _problem(status: int, code: str, title: str, detail: str, faults: list[ProblemFault]) -> Problem:
    return Problem(type=f"/docs#{code}", title=title, status=status, detail=detail, code=code, errors=faults)


def refusal(error: Refusal, explanation: Explanation | None, base: str) -> web.Response:
    """Return the response to a refused request."""
    response = respond(problem_of(error, explanation), base)
    response.headers.update(headers_of(error))
    return response


def headers_of(error: Refusal) -> dict[str, str]:
    """Return the headers that tell a client how to go on after a refusal."""
    if isinstance(error, errors.Unauthorized):
        return {"WWW-Authenticate": 'Bearer realm="commentsvc"'}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, errors.Unavailable):
        return {"Retry-After": str(error.retry_after or RETRY_SECONDS)}
    if isinstance(error, errors.UnsupportedMediaType) and error.accept_encoding:
        return {"Accept-Encoding": error.accept_encoding}
    return {}


def respond(problem: Problem, base: str) -> web.Response:
    """Return a problem as a response that no cache keeps. Its type is a page below the path ``base``."""
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(msgspec.structs.replace(problem, type=base + problem.type)),
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )
