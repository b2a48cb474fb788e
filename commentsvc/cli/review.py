"""A moderator works through what waits, at a terminal: one comment at a time, one key for each."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import msgspec

from commentsvc.audit.schemas import ActionResult
from commentsvc.cli import cards
from commentsvc.cli.terminal import DIM, Keys, Terminal, as_json
from commentsvc.domain import pagination
from commentsvc.domain.errors import Conflict, NotFound, Refusal, VersionConflict
from commentsvc.domain.models import ActionVerb, Principal, Status
from commentsvc.moderation import actions, queue, undo
from commentsvc.moderation.schemas import Action, CommentUpdate, ModeratorComment, QueueQuery, Totals
from commentsvc.moderation.wording import actor_name
from commentsvc.service import Service

HINT: Final = "a approve · s spam{} · d trash · u undo · n next · ? help · q quit"
ALIKE: Final = " · S with all from its network"
HELP: Final = """\
a  approve it: readers see it
s  it is spam
S  spam, together with all others that wait and came from its network
d  to the trash
u  take back the last decision; again, the one before
n  next, or the space bar: leave it as it is
?  these lines
q  quit: what was decided stays decided"""
STATUSES: Final = {"a": Status.APPROVED, "s": Status.SPAM, "d": Status.TRASH}
SAID: Final = {Status.APPROVED: "Approved.", Status.SPAM: "Spam.", Status.TRASH: "To the trash."}


class Then(Enum):
    """What comes after a key."""

    SHOW = "what is to be read now"
    WAIT = "another key"
    LEAVE = "the end"


@dataclass(frozen=True)
class Deed:
    """Something decided here, and where its moderator stood."""

    action_id: str
    status: Status
    number: int
    after: str | None


@dataclass
class Sitting:
    """A moderator's way through comments, oldest first. Each is read as it stands at that moment."""

    service: Service
    who: Principal
    terminal: Terminal
    query: QueueQuery
    json: bool = False
    after: str | None = None  # the last comment that was passed over
    passed: list[str] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    anything: bool = False  # was there to be read

    async def work(self) -> None:
        """Show and decide, until nothing is left or the moderator leaves.

        Raises:
            Invalid: naming the site.
        """
        async with self.terminal.keys() as keys:
            try:
                while await self._next(keys) is not Then.LEAVE:
                    pass
            finally:
                decided = self._decided()
                if self.anything:
                    self._tell(_summary(decided), decided)

    def _decided(self) -> Totals:
        number = Counter[str]()
        for deed in self.deeds:
            number[deed.status] += deed.number
        return Totals(**number)

    def _tell(self, text: str, shape: Any = None) -> None:
        """Say something: to people in words, to programs as the API's own shape."""
        if not self.json:
            self.terminal.say(text)
        elif shape is not None:
            self.terminal.say(as_json(shape))
        else:
            self.terminal.complain(text)

    # ----------------------------------------------------------------------------- one comment

    async def _next(self, keys: Keys) -> Then:
        cursor = pagination.encode_cursor(self.after) if self.after else None
        query = msgspec.structs.replace(self.query, limit=1, cursor=cursor)
        found = await queue.search_comments(self.service, self.who, query)
        if not found.comments:
            return await self._at_the_end(keys)
        (card,) = found.comments
        self.anything = True
        keys.forget()
        self._tell(self._shown(card, self._left(found.totals)), card)
        then = Then.WAIT
        while then is Then.WAIT:
            then = await self._obey(await keys.next(), card)
        return then

    def _left(self, totals: Totals) -> int:
        """How many comments there are to go through."""
        status = "reported" if self.query.reported else self.query.status or "pending"
        return int(getattr(totals, status))

    def _shown(self, card: ModeratorComment, left: int) -> str:
        gone = sum(deed.number for deed in self.deeds)
        at = gone + len(self.passed) + 1
        place = f"{at:,} of {max(at, gone + left):,}"
        text = cards.shown(card, place, self.service.clock(), self.terminal)
        hint = HINT.format(ALIKE if card.similar and card.status is Status.PENDING else "")
        return f"{text}\n{self.terminal.paint(hint, DIM)}"

    async def _at_the_end(self, keys: Keys) -> Then:
        if not self.anything:
            waits = self.query.status in {None, "pending"} and not self.query.reported
            self._tell("Nothing waits. Enjoy the quiet." if waits else "There are none.", self._decided())
            return Then.LEAVE
        self._tell("That was the last one.")
        if not self.deeds:
            return Then.LEAVE
        keys.forget()
        self._tell("u takes the last decision back; any other key leaves.")
        return await self._undo() if await keys.next() == "u" else Then.LEAVE

    async def _obey(self, letter: str, card: ModeratorComment) -> Then:
        try:
            return await self._do(letter, card)
        except Refusal as error:
            self._tell(error.detail)
            return Then.WAIT

    async def _do(self, letter: str, card: ModeratorComment) -> Then:
        match letter:
            case "" | "q":
                return Then.LEAVE
            case "a" | "s" | "d":
                return await self._decide(card, STATUSES[letter])
            case "S":
                return await self._decide_alike(card)
            case "u":
                return await self._undo()
            case "n" | " ":
                return self._pass(card)
        self._tell(HELP if letter == "?" else "That key does nothing here. ? tells which do.")
        return Then.WAIT

    def _pass(self, card: ModeratorComment) -> Then:
        self.passed.append(card.id)
        self.after = card.id
        return Then.SHOW

    # ----------------------------------------------------------------------------- deciding

    async def _decide(self, card: ModeratorComment, status: Status) -> Then:
        if card.status is status and not card.reports:
            return self._pass(card)
        try:
            done = await actions.update_comment(
                self.service, self.who, card.id, card.version, CommentUpdate(status=status)
            )
        except (VersionConflict, NotFound, Conflict):
            self._tell(await self._meanwhile(card))
            return Then.SHOW
        if not done.changed:
            return self._pass(card)
        self._keep(done, status, SAID[status])
        return Then.SHOW

    async def _meanwhile(self, card: ModeratorComment) -> str:
        """What became of a comment while it was being read."""
        try:
            now = await queue.get_comment_detail(self.service, self.who, card.id)
        except NotFound:
            return "It is gone meanwhile."
        if now.deleted:
            return "It was erased meanwhile."
        if now.status is card.status:
            return "It was changed meanwhile. Read it again, please."
        return f"{actor_name(now.decisions[-1].made_by)} decided meanwhile: {now.status}. It stays so."

    async def _decide_alike(self, card: ModeratorComment) -> Then:
        """Spam, without asking: this comment and all others that wait and came from its network."""
        if card.network is None:
            raise Conflict("Its network is not known any more.")
        if card.status is not Status.PENDING:
            raise Conflict("S is for comments that wait.")
        where = {"status": "pending", "site": self.query.site, "network": card.network}
        number = await actions.count_matching(self.service, self.who, where)
        if number > actions.MAX_COMMENTS:
            raise Conflict(f"More than {actions.MAX_COMMENTS:,} wait from this network: too many for one key.")
        alike = Action(action=ActionVerb.SPAM, where=where, expect=number)
        done = await actions.apply_action(self.service, self.who, alike)
        self._keep(done, Status.SPAM, f"{done.changed:,} spam.")
        return Then.SHOW

    def _keep(self, done: ActionResult, status: Status, said: str) -> None:
        self.deeds.append(Deed(done.id, status, done.changed, self.after))
        self._tell(said, done)

    async def _undo(self) -> Then:
        """Take the last decision back, and stand again where it was made."""
        if not self.deeds:
            self._tell("There is nothing to take back.")
            return Then.WAIT
        deed = self.deeds[-1]
        try:
            done = await undo.undo_action(self.service, self.who, deed.action_id)
        except (Conflict, NotFound) as error:
            self.deeds.pop()
            self._tell(error.detail)
            return Then.WAIT
        self.deeds.pop()
        left = len([item for item in done.results if not item.ok])
        self._tell(f"{done.changed:,} taken back." + (f" {left:,} decided since, and left." if left else ""), done)
        self.after = deed.after
        self.passed = [one for one in self.passed if deed.after and one <= deed.after]
        return Then.SHOW


def _summary(decided: Totals) -> str:
    numbers = {"approved": decided.approved, "spam": decided.spam, "trash": decided.trash}
    each = ", ".join(f"{number:,} {status}" for status, number in numbers.items() if number)
    return f"{sum(numbers.values()):,} decided: {each}." if each else "Nothing was decided."
