"""Every way the service says no.

A class's docstring is the title a person reads; its name, in snake case, is the code a program reads.
What is said when one is raised explains this one case and its cure. No message ever repeats a value
that somebody sent.
"""

import re
from dataclasses import dataclass
from typing import ClassVar


class Refusal(Exception):  # noqa: N818 -- a refusal is an answer, not an error
    """The service cannot do that."""

    code: ClassVar[str]
    title: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        cls.title = (cls.__doc__ or "").partition("\n")[0]

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field, and how to mend it. An empty field means the whole body."""

    field: str
    code: str
    detail: str


class Invalid(Refusal):
    """Some fields need your attention."""

    def __init__(self, *faults: FieldError) -> None:
        super().__init__(" ".join(fault.detail for fault in faults))
        self.faults = faults


class MalformedRequest(Refusal):
    """The request cannot be read."""


class NotFound(Refusal):
    """There is nothing here."""


class Gone(Refusal):
    """This comment was removed."""


class ThreadClosed(Refusal):
    """This thread takes no more replies."""


class RejectedByRule(Refusal):
    """This site does not take this comment."""


class Duplicate(Refusal):
    """You have said this here already."""


class RateLimited(Refusal):
    """You are writing faster than this site allows."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Please wait {retry_after} seconds, then send it again.")
        self.retry_after = retry_after


class SubmissionReused(Refusal):
    """This submission id was used for another comment."""


class NotAuthor(Refusal):
    """Only the writer can do this, and only for a while."""


class OriginNotAllowed(Refusal):
    """Pages from there may not write here."""


class Unauthorized(Refusal):
    """This needs a key."""


class Forbidden(Refusal):
    """This key does not allow that."""


class Conflict(Refusal):
    """This cannot be done as things stand."""


class VersionRequired(Refusal):
    """Say which version you have seen."""


class VersionConflict(Refusal):
    """Somebody decided meanwhile."""


class ExpectationFailed(Refusal):
    """The number of matching comments has changed."""


class Unavailable(Refusal):
    """The service cannot do this at the moment."""


class ConfigurationError(Exception):
    """A setting is wrong; the message names it and the cure."""


class InvalidValue(Exception):  # noqa: N818 -- becomes a Fault once the field is known
    """Why one field's value cannot be taken, without repeating it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
