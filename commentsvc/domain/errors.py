"""The errors with which the service refuses a request.

A class's name, in snake case, is the code for programs; its title is for people. The message of an instance explains
the case and what to do. A message never repeats a value from a request.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from commentsvc.domain.messages import Message, translatable, translatable_plural

# What can be wrong with a field, for programs.
FieldCode: TypeAlias = Literal[
    "required",
    "invalid",
    "too_long",
    "not_text",
    "invalid_email",
    "undeliverable",
    "invalid_url",
    "invalid_thread",
    "foreign_thread",
    "wrong_site",
    "unknown_site",
    "unknown_parent",
    "invalid_cursor",
    "invalid_time",
    "unknown_field",
    "repeated",
    "name_taken",
    "unknown_thread",
    "invalid_match",
    "unknown_comment",
    "invalid_origin",
    "origin_taken",
    "origin_in_settings",
    "too_wide",
    "network_forgotten",
    "private_address",
    "mail_not_configured",
]


class Refusal(Exception):  # noqa: N818 -- a refusal is a response, not a failure
    """The base of all refusals."""

    code: ClassVar[str]
    title: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, message: Message = "") -> None:
        self.message = message or self.title
        super().__init__(self.detail)

    @property
    def detail(self) -> str:
        """The message in English."""
        return str(self.message)


@dataclass(frozen=True)
class FieldError:
    """The error of one field, and how to correct it. An empty field name means the whole body."""

    field: str
    code: FieldCode
    message: Message

    @property
    def detail(self) -> str:
        """The message in English."""
        return str(self.message)


class Invalid(Refusal):
    """Some fields have values that cannot be accepted."""

    title = translatable("Some fields are not valid.")

    def __init__(self, *faults: FieldError, valid: Mapping[str, Any] | None = None) -> None:
        super().__init__(" ".join(fault.detail for fault in faults))
        self.faults = faults
        self.valid = valid or {}  # the values of the fields without an error, for further checks


class MalformedRequest(Refusal):
    """The request cannot be parsed."""

    title = translatable("The request could not be read.")


class UnsupportedMediaType(Refusal):
    """The body has a content type or an encoding that the route does not accept."""

    title = MalformedRequest.title

    def __init__(self, message: Message = "", *, accept_encoding: str | None = None) -> None:
        super().__init__(message)
        self.accept_encoding = accept_encoding


class TooLarge(Refusal):
    """The body is larger than the route accepts."""

    title = translatable("The request is too large.")


class TooSlow(Refusal):
    """The body did not arrive in time."""

    title = translatable("The request took too long. Try again.")


class NotFound(Refusal):
    """Nothing that the caller may see has this name."""

    title = translatable("Not found.")


class Gone(Refusal):
    """The comment was public and is deleted."""

    title = translatable("This comment was deleted.")


class ThreadClosed(Refusal):
    """The thread accepts no new comments."""

    title = translatable("Comments are closed.")


class RejectedByRule(Refusal):
    """A rule with the effect ``refuse`` matched."""

    title = translatable("Your comment was rejected by this site's rules.")


class Duplicate(Refusal):
    """The same text was posted to this thread under the same name within a day."""

    title = translatable("You already posted this comment.")


class RateLimited(Refusal):
    """The network has sent too many requests."""

    title = translatable("Too many requests from your network.")

    def __init__(self, retry_after: int, *, by_rule: bool = False) -> None:
        super().__init__(
            translatable_plural(
                "Please wait %(num)s second, then send it again.",
                "Please wait %(num)s seconds, then send it again.",
                retry_after,
            )
        )
        self.retry_after = retry_after
        self.by_rule = by_rule  # not by the rate limit of the network


class SubmissionReused(Refusal):
    """The submission id belongs to a comment with other fields."""

    title = translatable("This submission id was already used for another comment.")


class NotAuthor(Refusal):
    """The edit token belongs to another comment, or the time for changes is over."""

    title = translatable("You can no longer change this comment.")


class OriginNotAllowed(Refusal):
    """The page that sent the request is on none of the site's origins."""

    title = translatable("This website is not allowed to post comments here.")


class Unauthorized(Refusal):
    """A key, a session or an edit token is missing or not valid."""

    title = translatable("Authentication required.")


class Forbidden(Refusal):
    """The caller is known but lacks the permission."""

    title = translatable("You do not have permission to do this.")


class HttpsRequired(Refusal):
    """Somebody signs in over a connection that cannot keep the session secret."""

    title = translatable("You can sign in only over https.")


class Conflict(Refusal):
    """The present state does not allow the change."""

    title = translatable("The request conflicts with the current state.")


class VersionRequired(Refusal):
    """The request must say which version it changes."""

    title = translatable("If-Match header required.")


class VersionConflict(Refusal):
    """The comment, rule or thread has another version than the request says."""

    title = translatable("The comment was changed by someone else.")


class ExpectationFailed(Refusal):
    """A bulk action matches another number of comments than its sender expects."""

    title = translatable("The number of matching comments has changed.")


class Unavailable(Refusal):
    """The service cannot answer now. Nothing was changed."""

    title = translatable("The service is temporarily unavailable.")

    def __init__(self, message: Message = "", *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds; None: soon


class OutcomeUnknown(Unavailable):
    """The database did not say whether it has saved the change."""

    title = translatable("It is not known whether this was saved.")

    def __init__(self) -> None:
        super().__init__(
            "The database did not confirm it. A comment can be sent again safely with the same Idempotency-Key. "
            "Check other changes first."
        )


class ConfigurationError(Exception):
    """A setting is wrong; the message names it and says how to correct it."""


class DatabaseAway(ConfigurationError):  # noqa: N818 -- a state that passes
    """The database does not answer now, but may later with the same settings: it is starting, or locked."""


class InvalidValue(Exception):  # noqa: N818 -- becomes a FieldError once the field is known
    """Why one field's value cannot be accepted, without repeating it."""

    def __init__(self, code: FieldCode, message: Message) -> None:
        super().__init__(str(message))
        self.code = code
        self.message = message

    @property
    def detail(self) -> str:
        """The message in English."""
        return str(self.message)
