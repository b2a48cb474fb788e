"""Every way the service says no.

A class's docstring is the title a person reads; its name, in snake case, is the code a program reads.
What is said when one is raised explains this one case and its cure. No message ever repeats a value
that somebody sent.
"""

import re
from dataclasses import dataclass
from typing import ClassVar


class Refused(Exception):  # noqa: N818 -- a refusal is an answer, not an error
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
class Fault:
    """What is wrong with one field, and how to mend it. An empty field means the whole body."""

    field: str
    code: str
    detail: str


class Invalid(Refused):
    """Some fields need your attention."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(" ".join(fault.detail for fault in faults))
        self.faults = faults


class Unreadable(Refused):
    """The request cannot be read."""


class NotFound(Refused):
    """There is nothing here."""


class Gone(Refused):
    """This comment was removed."""


class ThreadClosed(Refused):
    """This thread takes no more replies."""


class NotTaken(Refused):
    """This site does not take this comment."""


class Duplicate(Refused):
    """You have said this here already."""


class TooFast(Refused):
    """You are writing faster than this site allows."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Please wait {retry_after} seconds, then send it again.")
        self.retry_after = retry_after


class SubmissionReused(Refused):
    """This submission id was used for another comment."""


class NotYours(Refused):
    """Only the writer can do this, and only for a while."""


class ForeignOrigin(Refused):
    """Pages from there may not write here."""


class Unauthorized(Refused):
    """This needs a key."""


class Forbidden(Refused):
    """This key does not allow that."""


class Conflict(Refused):
    """This cannot be done as things stand."""


class VersionNeeded(Refused):
    """Say which version you have seen."""


class VersionPassed(Refused):
    """Somebody decided meanwhile."""


class ExpectationFailed(Refused):
    """The number of matching comments has changed."""


class Unavailable(Refused):
    """The service cannot do this at the moment."""


class Misconfigured(Exception):  # noqa: N818 -- said to the operator before anything runs
    """A setting is wrong; the message names it and the cure."""


class Unfit(Exception):  # noqa: N818 -- becomes a Fault once the field is known
    """Why one field's value cannot be taken, without repeating it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
