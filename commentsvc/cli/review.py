"""Review comments interactively at a terminal: one comment at a time, one key press for each."""

from dataclasses import dataclass
from typing import Final

import msgspec

from commentsvc.audit.schemas import ActionResult
from commentsvc.cli import cards, responses
from commentsvc.cli.review_state import NextStep, ReviewDecision, ReviewState
from commentsvc.cli.terminal import DIM, Keys
from commentsvc.domain.columns import wrap_text
from commentsvc.domain.errors import Conflict, Invalid, NotFound, Refusal, VersionConflict
from commentsvc.domain.models import ActionVerb, Status, StatusFilter
from commentsvc.moderation import actions, queue, undo
from commentsvc.moderation.schemas import Action, CommentUpdate, ModeratorComment, Totals
from commentsvc.moderation.verbs import DONE
from commentsvc.storage.comment_filter import CommentFilter

KEY_HINT: Final = """\
a approve · s spam{} · d trash · r reply · e edit · b ban
u undo · n next · p back · ? help · q quit"""
NETWORK_HINT: Final = " · S whole network"
KEY_HELP: Final = """\
a  approve: readers can see the comment
s  mark as spam
S  mark as spam, with all other pending comments from this network
d  move to trash
r  reply in your editor, and approve the comment
e  edit the comment in your editor; its earlier text is kept
b  ban the commenter; one more key chooses what is banned
u  undo the last decision; press again to undo the one before
n  next (or the space bar): leave the comment unchanged
p  back to the comment that you left unchanged
?  show this help
q  quit; your decisions are saved"""
RESPONSES: Final = {"r": responses.reply, "e": responses.edit, "b": responses.ban}
STATUS_KEYS: Final = {"a": Status.APPROVED, "s": Status.SPAM, "d": Status.TRASH}
STATUS_DONE: Final = {Status.APPROVED: "Approved.", Status.SPAM: "Marked as spam.", Status.TRASH: "Moved to trash."}


@dataclass
class Review(ReviewState):
    """A moderator's review of comments, by default oldest first. Each comment is loaded when it is shown."""

    async def run(self) -> None:
        """Show comments and take decisions until none is left or the moderator quits.

        Raises:
            Invalid: the site is unknown.
        """
        async with self.terminal.open_keys() as keys:
            try:
                self.keys = keys
                while await self._review_next(keys) is not NextStep.QUIT:
                    pass
            finally:
                totals = self.count_decisions()
                if self.any_shown:
                    self.show(_format_summary(totals), totals)

    # ----------------------------------------------------------------------------- one comment

    async def _review_next(self, keys: Keys) -> NextStep:
        query = msgspec.structs.replace(self.query, limit=1, cursor=self.after)
        found = await queue.search_comments(self.service, self.moderator, query)
        if not found.comments:
            return await self._finish(keys)
        (card,) = found.comments
        self.any_shown = True
        keys.discard_pending()
        self.show(self._format_card(card, self._count_matching(found.totals)), card)
        step = NextStep.READ_KEY
        while step is NextStep.READ_KEY:
            step = await self._handle_key(await keys.read_key(), card)
        return step

    def _count_matching(self, totals: Totals) -> int | None:
        """Return how many comments match; None if the totals, which are per status, do not tell."""
        if self._filters <= {"site", "status"} and self.query.status is not StatusFilter.ANY:
            return int(getattr(totals, self.query.status or StatusFilter.PENDING))
        return totals.reported if self._filters <= {"site", "reported"} else None

    @property
    def _filters(self) -> set[str]:
        return {name for name in CommentFilter.__struct_fields__ if getattr(self.query, name) is not None}

    def _format_card(self, card: ModeratorComment, left: int | None) -> str:
        decided = sum(decision.number for decision in self.decisions)
        number = decided + len(self.skipped) + 1
        position = f"{number:,}" if left is None else f"{number:,} of {max(number, decided + left):,}"
        text = cards.format_card(card, position, self.service.clock(), self.terminal)
        hint = KEY_HINT.format(NETWORK_HINT if card.similar and card.status is Status.PENDING else "")
        rows = wrap_text(hint, self.terminal.columns())
        return "\n".join([text, *(self.terminal.paint(row, DIM) for row in rows)])

    async def _finish(self, keys: Keys) -> NextStep:
        if not self.any_shown:
            pending = self._filters <= {"site", "status"} and self.query.status in {None, StatusFilter.PENDING}
            self.show("No pending comments." if pending else "No comments found.", self.count_decisions())
            return NextStep.QUIT
        self.show("That was the last comment.")
        choices = ["u to undo the last decision"] if self.decisions else []
        choices += ["p to go back"] if self.skipped else []
        if not choices:
            return NextStep.QUIT
        keys.discard_pending()
        self.show(f"Press {', '.join(choices)}, or any other key to quit.")
        key = await keys.read_key()
        if key == "u" and self.decisions:
            return await self._undo()
        return self.go_back() if key == "p" and self.skipped else NextStep.QUIT

    async def _handle_key(self, key: str, card: ModeratorComment) -> NextStep:
        try:
            return await self._run_key(key, card)
        except Refusal as error:
            faults = error.faults if isinstance(error, Invalid) else ()
            self.show("\n".join(fault.detail for fault in faults) or error.detail)
            return NextStep.READ_KEY

    async def _run_key(self, key: str, card: ModeratorComment) -> NextStep:  # noqa: PLR0911 -- one for each key
        match key:
            case "" | "q":
                return NextStep.QUIT
            case "a" | "s" | "d":
                return await self._decide(card, STATUS_KEYS[key])
            case "S":
                return await self._mark_network_as_spam(card)
            case "r" | "e" | "b":
                return await RESPONSES[key](self, card)
            case "u":
                return await self._undo()
            case "p":
                return self.go_back()
            case "n" | " ":
                return self.skip(card)
        self.show(KEY_HELP if key == "?" else "Unknown key. Press ? for help.")
        return NextStep.READ_KEY

    # ----------------------------------------------------------------------------- decisions

    async def _decide(self, card: ModeratorComment, status: Status) -> NextStep:
        if card.status is status and not card.reports:
            return self.skip(card)
        try:
            done = await actions.update_comment(
                self.service, self.moderator, card.id, card.version, CommentUpdate(status=status)
            )
        except (VersionConflict, NotFound, Conflict):
            self.show(await self.describe_conflict(card))
            return NextStep.SHOW_COMMENT
        if not done.changed:
            return self.skip(card)
        self._record_decision(card, done, status, STATUS_DONE[status])
        return NextStep.SHOW_COMMENT

    async def _mark_network_as_spam(self, card: ModeratorComment) -> NextStep:
        """Mark this comment and all other pending ones from its network as spam, without a question."""
        if card.network is None:
            raise Conflict("The network of this comment is no longer stored. Use s instead.")
        if card.status is not Status.PENDING:
            raise Conflict("S works only on pending comments. Use s instead.")
        where = {"status": "pending", "network": card.network}
        if self.query.site is not None:
            where["site"] = self.query.site
        number = await actions.count_matching(self.service, self.moderator, where)
        if number > actions.MAX_COMMENTS:
            raise Conflict(f"This network has more than {actions.MAX_COMMENTS:,} pending comments: too many for S.")
        action = Action(action=ActionVerb.SPAM, where=where, expect=number)
        done = await actions.apply_action(self.service, self.moderator, action)
        self._record_decision(card, done, Status.SPAM, f"{done.changed:,} {DONE[ActionVerb.SPAM]}.")
        return NextStep.SHOW_COMMENT

    def _record_decision(self, card: ModeratorComment, done: ActionResult, status: Status, text: str) -> None:
        self.decisions.append(ReviewDecision(done.id, status, done.changed, self.after, len(self.skipped)))
        if self.query.status is StatusFilter.ANY:
            self.after = queue.cursor_after(card, self.query.order)  # it still matches
        self.show(text, done)

    async def _undo(self) -> NextStep:
        """Undo the last decision and return to its comment."""
        if not self.decisions:
            self.show("Nothing to undo.")
            return NextStep.READ_KEY
        decision = self.decisions[-1]
        try:
            done = await undo.undo_action(self.service, self.moderator, decision.action_id)
        except (Conflict, NotFound) as error:
            self.decisions.pop()
            self.show(error.detail)
            return NextStep.READ_KEY
        self.decisions.pop()
        self.show(_format_undo(done), done)
        self.after = decision.after
        del self.skipped[decision.skipped :]
        return NextStep.SHOW_COMMENT


def _format_undo(done: ActionResult) -> str:
    skipped = sum(not item.ok for item in done.results)
    return f"{done.changed:,} {DONE['undo']}." + (f" {skipped:,} skipped: changed since." if skipped else "")


def _format_summary(totals: Totals) -> str:
    numbers = {"approved": totals.approved, "spam": totals.spam, "trash": totals.trash}
    each = ", ".join(f"{number:,} {status}" for status, number in numbers.items() if number)
    return f"{sum(numbers.values()):,} decided: {each}." if each else "No comments decided."
