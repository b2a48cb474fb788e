"""Check an archive of our own format as a whole, before anything of it is stored.

A line that is not valid, or does not fit the lines before it, is an error with its number: an archive is imported
completely or not at all.
"""

from typing import Any, Final, TypeAlias

import msgspec

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.lines import line_error
from commentsvc.archives.schemas import (
    FORMAT,
    VERSION,
    ArchiveLine,
    CommentLine,
    Contacts,
    End,
    Head,
    ModeratorLine,
    RuleLine,
    SiteLine,
    SourceLine,
    ThreadLine,
)
from commentsvc.domain import ids
from commentsvc.domain.crypto import FINGERPRINT_LENGTH
from commentsvc.domain.models import RuleKind, Status
from commentsvc.domain.timestamps import parse_time
from commentsvc.storage.database import MAX_CLOCK_SKEW, Environment
from commentsvc.storage.decisions import StoredVerdict

ORDER: Final = (Head, SiteLine, ModeratorLine, RuleLine, ThreadLine, CommentLine, SourceLine, End)
MAX_DEPTH: Final = 100
Arguments: TypeAlias = dict[str, str | int]


class LineFault(Exception):  # noqa: N818 -- becomes an error with the number of the line
    """A line does not fit."""


class LineCheck:
    """Checks one line after the other. ``read`` counts the comments."""

    def __init__(self, env: Environment, known_keys: frozenset[str]) -> None:
        self.head: Head | None = None
        self.read = 0
        self.sites: dict[str, SiteLine] = {}
        self._env = env
        self._latest = env.clock() + MAX_CLOCK_SKEW
        self._keys = known_keys
        self._place = 0  # in ORDER
        self._threads: dict[str, str] = {}  # id -> site
        self._tree = Tree()
        self._is_whole = False

    def check(self, number: int, line: ArchiveLine) -> None:
        """Check a line.

        Raises:
            UnreadableArchive: it does not fit; names its number.
        """
        try:
            self._check_place(line)
            self._check_times(line)
            if isinstance(line, Head):
                self._check_head(line)
            elif isinstance(line, SiteLine):
                self.sites[line.id] = line
            elif isinstance(line, ModeratorLine):
                for site in line.sites:
                    self._require_site(site)
            elif isinstance(line, RuleLine):
                self._check_rule(line)
            elif isinstance(line, ThreadLine):
                self._check_thread(line)
            elif isinstance(line, CommentLine):
                self._check_comment(line)
            elif isinstance(line, SourceLine):
                self._require_site(line.site)
            else:
                self._check_end(line)
        except LineFault as fault:
            raise line_error(number, str(fault)) from None

    def finish(self) -> Head:
        """Check that the end was there.

        Raises:
            UnreadableArchive: the file is empty, or cut off.
        """
        try:
            self._tree.finish()
        except LineFault as fault:
            raise UnreadableArchive(str(fault)) from None
        if self.head is None or not self._is_whole:
            raise UnreadableArchive("The archive is cut off: its last line is missing. Export it again.")
        return self.head

    def _check_place(self, line: ArchiveLine) -> None:
        if self.head is None and not isinstance(line, Head):
            raise LineFault('This is no archive of commentsvc: its first line has no "type": "archive".')
        place = ORDER.index(type(line))
        if self._is_whole or place < self._place or (place == 0 and self.head is not None):
            raise LineFault("The line is in the wrong place.")
        self._place = place

    def _check_head(self, line: Head) -> None:
        if line.format != FORMAT:
            raise LineFault(f"The format is not {FORMAT}.")
        if line.version > VERSION:
            raise LineFault(f"Version {line.version} needs a newer version of commentsvc. Install it first.")
        self.head = line

    def _check_times(self, line: Any) -> None:
        """Check that times exist, and none is later than tomorrow: later times would stay the latest for ever."""
        for name in line.__struct_fields__:
            value = getattr(line, name)
            if name.endswith("_at") and value is not None and parse_checked(value) > self._latest and name[:3] != "exp":
                raise LineFault(f"{name} is in the future.")
            if name == "id" and _is_own_id(line) and ids.time_of(value) > self._latest.timestamp():
                raise LineFault("id is of a time in the future.")
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, msgspec.Struct):
                    self._check_times(part)

    def _require_site(self, site_id: str | None) -> None:
        if site_id is not None and site_id not in self.sites:
            raise LineFault(f"The site {site_id} is not in the archive.")

    def _check_rule(self, line: RuleLine) -> None:
        self._require_site(line.site)
        if self.head and self.head.site is not None and line.site is None:
            raise LineFault("An archive of one site has no rule for all sites.")
        self._check_email(line)
        has_email = line.email is not None or line.email_digest is not None
        if has_email != (line.kind is RuleKind.EMAIL):
            raise LineFault("Only a rule of the kind email has an address.")

    def _check_thread(self, line: ThreadLine) -> None:
        self._require_site(line.site)
        self._threads[line.id] = line.site

    def _check_comment(self, line: CommentLine) -> None:
        self.read += 1
        if self._threads.get(line.thread) != line.site:
            raise LineFault(f"The thread {line.thread} of the site {line.site} is not in the archive.")
        self._tree.add(line)
        check_state(line)
        if line.contact:
            self._check_email(line.contact)
        for decision in line.decisions:
            check_json(decision.reason_args, Arguments, "reason_args")
            check_json(decision.verdicts, tuple[StoredVerdict, ...], "verdicts")

    def _check_email(self, part: Any) -> None:
        if part.email is not None and ("@" not in part.email or part.email_sealed is not None):
            raise LineFault("email is not an address.")
        if part.email_sealed is not None and part.email_digest is None:
            raise LineFault("email_sealed and email_digest belong together.")
        key = (part.email_digest or "")[:FINGERPRINT_LENGTH]
        if part.email_sealed is not None and key not in self._keys:
            raise LineFault(
                f"The address is encrypted with the key {key}, which this service lacks. "
                "Add it to COMMENTSVC_SECRET_KEY, or export with: --contacts clear"
            )
        if self.head and self.head.contacts is Contacts.NONE and (part.email or key):
            raise LineFault("An archive without contacts has an address.")

    def _check_end(self, line: End) -> None:
        if (line.sites, line.threads, line.comments) != (len(self.sites), len(self._threads), self.read):
            raise LineFault("Lines are missing: the numbers at the end do not match.")
        self._is_whole = True


def parse_checked(text: str) -> Any:
    """Return a time.

    Raises:
        LineFault: there is no such time.
    """
    try:
        return parse_time(text)
    except ValueError:
        raise LineFault(f"{text} is not a time.") from None


def _is_own_id(line: Any) -> bool:
    return isinstance(line, SiteLine | ModeratorLine | RuleLine | ThreadLine | CommentLine)


def check_state(line: CommentLine) -> None:
    """Check that what a comment says about itself fits together.

    Raises:
        LineFault: it does not.
    """
    is_approved = line.status is Status.APPROVED
    if is_approved and not (line.published_at and line.listed_at):
        raise LineFault("An approved comment needs published_at and listed_at.")
    if line.erased_at and (line.status is not Status.TRASH or line.text or line.html or line.name or line.contact):
        raise LineFault("An erased comment has no content, and is in the trash.")
    if line.erased_at and line.reports:
        raise LineFault("An erased comment has no reports.")
    if not line.erased_at and not (line.name and line.text and line.html):
        raise LineFault("A comment needs name, text and html.")
    if len({report.reader for report in line.reports}) < len(line.reports):
        raise LineFault("A reader has reported the comment twice.")
    if len({revision.version for revision in line.revisions}) < len(line.revisions):
        raise LineFault("Two revisions have the same version.")


def check_json(text: str | None, kind: Any, name: str) -> None:
    """Check a text that holds JSON.

    Raises:
        LineFault: it does not.
    """
    try:
        if text is not None:
            msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        raise LineFault(f"{name} is not valid.") from None


class Tree:
    """The place of each comment: after its parent, in one thread after the other."""

    def __init__(self) -> None:
        self._thread = ""
        self._done: set[str] = set()  # threads
        self._numbers: set[int] = set()  # in the thread
        self._above: list[CommentLine] = []  # the comment before, and its ancestors
        self._listed: list[bool] = []  # of each: whether it is approved, or has a reply that is listed

    def add(self, line: CommentLine) -> None:
        """Check the place of a comment.

        Raises:
            LineFault: it is in the wrong place.
        """
        if line.thread != self._thread:
            self._begin(line.thread)
        if line.number in self._numbers:
            raise LineFault(f"Another comment of the thread has the number {line.number}.")
        self._numbers.add(line.number)
        while self._above and self._above[-1].id != line.parent:
            self._pop()
        if line.parent and not self._above:
            raise LineFault("Its parent is not before it, in the same thread.")
        if len(self._above) > MAX_DEPTH:
            raise LineFault(f"It is nested deeper than {MAX_DEPTH} levels.")
        if line.listed_at and self._above:
            if not self._above[-1].listed_at:
                raise LineFault("It is listed, but its parent is not.")
            self._listed[-1] = True
        self._above.append(line)
        self._listed.append(line.status is Status.APPROVED)

    def finish(self) -> None:
        """Check the last thread.

        Raises:
            LineFault: see ``add``.
        """
        while self._above:
            self._pop()

    def _begin(self, thread_id: str) -> None:
        self.finish()
        if thread_id in self._done:
            raise LineFault("The comments of its thread are not together.")
        self._done.add(thread_id)
        self._thread, self._numbers = thread_id, set()

    def _pop(self) -> None:
        line, is_listed = self._above.pop(), self._listed.pop()
        if bool(line.listed_at) is not is_listed:
            raise LineFault(f"listed_at of the comment {line.id} does not fit its replies.")
