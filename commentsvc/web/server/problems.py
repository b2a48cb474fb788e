"""Refusals as problem+json (RFC 9457): alone in mapping an error to a status."""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from commentsvc.domain import errors
from commentsvc.domain.errors import Invalid, RateLimited, Refusal
from commentsvc.web.pages.messages import Explanation

STATUS_OF_ERROR: Final[dict[type[Refusal], int]] = {
    errors.MalformedRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.OriginNotAllowed: 403,
    errors.NotAuthor: 403,
    errors.ThreadClosed: 403,
    errors.RejectedByRule: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Duplicate: 409,
    errors.ExpectationFailed: 409,
    errors.Gone: 410,
    errors.VersionConflict: 412,
    errors.Invalid: 422,
    errors.SubmissionReused: 422,
    errors.VersionRequired: 428,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}
CONTENT_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5

# What the framework itself may answer, in our words.
FRAMEWORK: Final = {
    400: ("bad_request", "The request cannot be read."),
    404: ("not_found", errors.NotFound.title),
    405: ("method_not_allowed", "This address does not do that."),
    408: ("too_slow", "The request took too long to arrive."),
    413: ("too_large", "The request is too large."),
    415: ("unsupported_media_type", "This kind of body is not read here."),
    417: ("expectation_not_met", "This expectation cannot be met."),
    431: ("header_too_large", "The request's header is too large."),
    500: ("internal_error", "Something went wrong inside the service. It was noted in its log."),
}


class ProblemFault(msgspec.Struct, frozen=True):
    """What is wrong with one field, and how to mend it."""

    field: str
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was refused. ``code`` is for programs, ``detail`` for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemFault]


def problem_of(error: Refusal, told: Explanation | None = None) -> Problem:
    """A refusal in the form in which it travels; ``told`` are other words for it."""
    faults = error.faults if isinstance(error, Invalid) else ()
    fields = told.fields if told else {}
    return _problem(
        STATUS_OF_ERROR[type(error)],
        error.code,
        str(told.title if told else error.title),
        str(told.detail if told else error.detail),
        [ProblemFault(fault.field, fault.code, str(fields.get(fault.field, fault.detail))) for fault in faults],
    )


def framework_problem(status: int, detail: str = "") -> Problem:
    """A refusal of the framework's, in our words."""
    code, title = FRAMEWORK.get(status, (HTTPStatus(status).name.lower(), HTTPStatus(status).phrase))
    return _problem(status, code, title, detail or title, [])


def _problem(status: int, code: str, title: str, detail: str, faults: list[ProblemFault]) -> Problem:
    return Problem(type=f"/docs#{code}", title=title, status=status, detail=detail, code=code, errors=faults)


def refusal(error: Refusal, told: Explanation | None = None) -> web.Response:
    """The answer to a refused request; ``told`` are other words for it."""
    response = respond(problem_of(error, told))
    if isinstance(error, errors.Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="commentsvc"'
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.Unavailable):
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def respond(problem: Problem) -> web.Response:
    """A problem as a response that nothing keeps."""
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(problem),
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )
