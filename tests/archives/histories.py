"""Histories of a service: what commenters, readers and moderators do, one thing after the other."""

from contextlib import suppress

from hypothesis import strategies as st

from commentsvc.access import moderators
from commentsvc.comments import edit, erase, reports
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.domain.errors import Refusal
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Principal, RuleKind, Scope
from commentsvc.moderation import actions, replies, threads, undo
from commentsvc.moderation import erase as permanent
from commentsvc.moderation.schemas import Action, CommentUpdate, NewReply, ThreadChange, ThreadListQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import private_read
from tests.conftest import EVERYTHING, draft, visit

PAGES = ["/a/", "/b/", "/c/"]
TEXTS = st.sampled_from(
    [
        *("Plain words.", "**Bold** and [a link](https://x.example/?a=1&b=2).", "```python\nx < 1\n```"),
        *("- [x] done\n- open", "> quoted\n\n1. one\n2. two", "| a | b |\n|:-|-:|\n| 1 | 2 |"),
        *("日本語のコメント 🎉", '\u202eturned\u202c <b>raw</b> & "more"'),
    ]
)
OF_COMMENTS = ["post", "post", "reply", "reply", "approve", "spam", "trash", "hold", "edit", "report", "undo"]
OF_COMMENTS += ["note", "answer", "erase", "withdraw"]
OF_SITES = ["rename", "alias", "merge", "title", "close", "ban", "words"]
STEPS = st.lists(
    st.tuples(st.sampled_from([*OF_COMMENTS, *OF_SITES]), st.integers(0, 7), TEXTS), min_size=6, max_size=24
)


class History:
    """A service in which things happen. What is refused is left out."""

    def __init__(self, service):
        self.service = service
        self.posted = []
        self.count = 0

    async def play(self, steps):
        """Do all steps."""
        await moderators.add_moderator(self.service, "Noa", None, [])
        listed = await moderators.list_moderators(self.service)
        actor = Actor(ActorKind.PERSON, listed[0].id, "Noa")
        self.noa = Principal(actor, frozenset(Scope), None, moderator_id=actor.id)
        for name, number, text in steps:
            self.service.clock.move(seconds=7)
            with suppress(Refusal):
                await self.do(name, number, text)

    async def do(self, name, number, text):
        """Do one step, about the comment or page of this number."""
        if name in {"post", "reply"}:
            await self.post(number, text, is_reply=name == "reply")
        elif name in {"rename", "alias", "merge", "title", "close"}:
            await self.change_thread(name, number)
        elif name == "ban":
            rule = NewRule(kind=RuleKind.EMAIL, match=f"p{number}@example.com", note=text)
            await manage.add_rule(self.service, EVERYTHING, rule)
        elif name == "words":
            await manage.add_rule(self.service, EVERYTHING, NewRule(kind=RuleKind.WORDS, match="bold\nwords"))
        elif name == "undo":
            await undo.undo_last_action(self.service, EVERYTHING)
        elif self.posted:
            await self.act(name, self.posted[number % len(self.posted)], text)

    async def post(self, number, text, *, is_reply):
        self.count += 1
        parent = self.posted[number % len(self.posted)].id if is_reply and self.posted else None
        page = await page_of(self.service, parent) if parent else PAGES[number % 3]
        fields = draft(
            thread=page,
            parent=parent,
            name=f"Person {number}",
            email=f"p{number}@example.com",
            comment=f"{text}\n\n{self.count}",
            website="https://person.example/" if number % 2 else None,
        )
        self.posted.append(await post_comment(self.service, fields, visit(address=f"198.51.100.{number}", agent="B/1")))

    async def act(self, name, receipt, text):
        if name in set(ActionVerb):
            action = Action(action=ActionVerb(name), ids=[receipt.id], note=text)
            await actions.apply_action(self.service, EVERYTHING, action)
        elif name == "edit":
            await edit.edit_comment(self.service, receipt.id, receipt.edit_token, CommentEdit(comment=text), visit())
        elif name == "report":
            await reports.report_comment(self.service, receipt.id, NewReport(reason=text), visit(address="203.0.113.4"))
        elif name == "note":
            await actions.update_comment(self.service, EVERYTHING, receipt.id, range(99), CommentUpdate(note=text))
        elif name == "answer":
            await replies.post_reply(self.service, self.noa, receipt.id, NewReply(comment=text, approve=True))
        elif name == "withdraw":
            await erase.withdraw_comment(self.service, receipt.id, receipt.edit_token)
        elif name == "erase":
            await permanent.erase_permanently(self.service, EVERYTHING, receipt.id)

    async def change_thread(self, name, number):
        found = (await threads.list_threads(self.service, EVERYTHING, ThreadListQuery())).threads
        thread = found[number % len(found)] if found else None
        if thread:
            change = {
                "rename": ThreadChange(thread=f"/renamed-{number}/"),
                "alias": ThreadChange(alias=f"/alias-{number}/"),
                "merge": ThreadChange(merge_into=found[0].key),
                "title": ThreadChange(title=f"Title {number}"),
                "close": ThreadChange(closed=True),
            }[name]
            await threads.change_thread(self.service, EVERYTHING, thread.id, change)


@private_read
async def page_of(unit, comment_id):
    row = await unit.one(
        "SELECT thread.key FROM thread JOIN comment ON comment.thread_id = thread.id WHERE comment.id = :id",
        id=comment_id,
    )
    return row["key"]


# Tables and columns that an import gives their earlier values, in the order that tells rows from one another.
KEPT = {
    "site": ("id", ("closes_after_days", "name", "mode")),
    "site_origin": ("origin", ("origin", "site_id")),
    "moderator": ("id", ("name", "created_at")),
    "thread": (
        "id",
        (
            *("site_id", "key", "url", "title", "approved", "pending", "spam", "trash", "reported", "last_seq"),
            *("created_at", "published_at", "closed_at", "open_until", "mode", "given_title", "merged_into"),
        ),
    ),
    "thread_name": ("name", ("name", "thread_id", "given")),
    "thread_search": ("thread_id", ("thread_id",)),
    "comment": ("id", None),
    "contact": ("comment_id", None),
    "revision": ("comment_id, version", None),
    "report": ("comment_id, reader_digest", None),
    "rule": ("id", None),
}


@private_read
async def state_of(unit):
    """Return everything that an import must give back, also what it counts and computes itself."""
    state = {}
    for table, (order, columns) in KEPT.items():
        rows = await unit.all(f"SELECT {', '.join(columns) if columns else '*'} FROM {table} ORDER BY {order}")
        state[table] = [dict(row) for row in rows]
    rows = await unit.all("SELECT comment_id, words, marks FROM comment_search ORDER BY comment_id")
    state["words"] = [(row["comment_id"], set(row["words"].split()), marks_of(row["marks"])) for row in rows]
    totals = "SUM(approved) AS approved, SUM(pending) AS pending, SUM(spam) AS spam, SUM(trash) AS trash"
    rows = await unit.all(f"SELECT site_id, {totals} FROM site_total GROUP BY site_id")
    counted = [{name: str(value) for name, value in dict(row).items()} for row in rows]
    state["totals"] = [row for row in counted if set(row.values()) - {"0", row["site_id"]}]
    return state


def marks_of(text):
    return {mark for mark in text.split() if not mark.startswith("!!")}
