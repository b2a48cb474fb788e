"""The state of a review of comments: the moderator, the decisions, and the place in the queue."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from commentsvc.cli.terminal import Keys, Terminal, to_json
from commentsvc.domain.errors import NotFound
from commentsvc.domain.models import Principal, Status
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import ModeratorComment, QueueQuery, Totals
from commentsvc.moderation.wording import actor_name
from commentsvc.service import Service


class NextStep(Enum):
    """The step that follows a key press."""

    SHOW_COMMENT = auto()
    READ_KEY = auto()
    QUIT = auto()


@dataclass(frozen=True)
class ReviewDecision:
    """A decision of this review, and where the review was then."""

    action_id: str
    status: Status
    number: int
    after: str | None
    skipped: int  # comments that were left unchanged by then


@dataclass
class ReviewState:
    """The state of a review."""

    service: Service
    moderator: Principal
    terminal: Terminal
    query: QueueQuery
    json: bool = False
    after: str | None = None  # the cursor after the last comment that was skipped
    skipped: list[str] = field(default_factory=list)
    came_from: dict[str, str | None] = field(default_factory=dict)  # ``after`` when a comment was skipped
    drafts: dict[str, str] = field(default_factory=dict)  # texts that were refused, by key and comment
    decisions: list[ReviewDecision] = field(default_factory=list)
    any_shown: bool = False
    keys: Keys = field(init=False)

    def count_decisions(self) -> Totals:
        """Return how many comments got each status."""
        number = Counter[str]()
        for decision in self.decisions:
            number[decision.status] += decision.number
        return Totals(**number)

    def show(self, text: str, data: Any = None) -> None:
        """Print text for people; with ``--json`` print data, and text without data to standard error."""
        if not self.json:
            self.terminal.print_line(text)
        elif data is not None:
            self.terminal.print_line(to_json(data))
        else:
            self.terminal.print_error(to_json({"detail": text}))

    def skip(self, card: ModeratorComment) -> NextStep:
        """Leave a comment unchanged, and go on."""
        self.skipped.append(card.id)
        self.came_from[card.id] = self.after
        self.after = queue.cursor_after(card, self.query.order)
        return NextStep.SHOW_COMMENT

    def go_back(self) -> NextStep:
        """Show the last comment again that was left unchanged."""
        if not self.skipped:
            self.show("There is no comment to go back to.")
            return NextStep.READ_KEY
        self.after = self.came_from[self.skipped.pop()]
        return NextStep.SHOW_COMMENT

    async def describe_conflict(self, card: ModeratorComment) -> str:
        """Return what happened to a comment since it was shown."""
        try:
            now = await queue.get_comment_detail(self.service, self.moderator, card.id)
        except NotFound:
            return "This comment no longer exists."
        if now.deleted:
            return "This comment was deleted."
        if now.status is card.status:
            return "This comment was changed. Read it again, then decide."
        return f"{actor_name(now.decisions[-1].actor)} already decided: {now.status}. Your decision was not saved."
