"""A commenter deletes the last comment of a thread: the name, address and title that comments brought go too."""

import re
import uuid
from pathlib import Path

import pytest

from commentsvc.comments import edit, reports
from commentsvc.comments.erase import withdraw_comment
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.domain.errors import Conflict, NotFound, ThreadClosed
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions, threads, undo
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import Action, ThreadChange, ThreadListQuery
from tests.comments.test_post import approve, everything_in, shown
from tests.conftest import EVERYTHING, a_service, draft, visit

TABLES = re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", Path("schema.sql").read_text("utf-8"))
BLOG = "https://blog.example"
CANARY = {"thread": f"{BLOG}/canary-page/", "title": "Canary title"}


@pytest.fixture
async def service(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE, sites=BLOG) as service:
        yield service


async def write(service, text="Hello-there.", **more):
    fields = (
        CANARY | {"name": "Canary", "website": "https://canary.example", "submission": f"canary-{uuid.uuid4()}"} | more
    )
    receipt = await post_comment(service, draft(comment=text, **fields), visit(origin=BLOG, agent="Canary"))
    await approve(service, receipt)  # a person's approval gives the thread its title
    return receipt


async def withdraw(service, comment):
    await withdraw_comment(service, comment.id, comment.edit_token)


async def only_thread(service):
    (thread,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    return thread


async def change(service, found, /, **changes):
    return await threads.change_thread(service, EVERYTHING, found.id, ThreadChange(**changes))


async def words_left(service):
    return [table for table in TABLES if "canary" in str(await everything_in(service, table)).lower()]


async def test_the_last_comment_takes_name_and_title_of_its_thread_with_it(service):
    one, two = await write(service), await write(service, "Again-and-again.", title="Canary title two")
    await withdraw(service, one)
    assert (await only_thread(service)).title == "Canary title", "the second comment is still there"
    thread = await only_thread(service)
    await edit.edit_comment(service, two.id, two.edit_token, CommentEdit(comment="Canary edited."), visit())
    await reports.report_comment(service, two.id, NewReport(reason="canary reason"), visit())
    trash = Action(action=ActionVerb.TRASH, ids=[two.id], note="canary note")
    await actions.apply_action(service, EVERYTHING, trash)
    assert set(await words_left(service)) >= {"thread", "comment", "contact", "report", "revision", "action", "audit"}
    await erase_permanently(service, EVERYTHING, two.id)
    assert await words_left(service) == []
    assert (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads == []
    for asked in (threads.get_thread(service, EVERYTHING, thread.id), change(service, thread, closed=True)):
        with pytest.raises(NotFound):
            await asked
    await write(service, "A new thread at the same address.")
    assert (await only_thread(service)).id != thread.id
    assert len((await shown(service, CANARY["thread"])).comments) == 1


async def test_what_a_moderator_gave_a_thread_stays(service):
    one = await write(service)
    thread = await only_thread(service)
    await change(service, thread, title="Our title", alias=f"{BLOG}/ours/")
    closed = await change(service, thread, closed=True)
    await withdraw(service, one)
    left = await only_thread(service)
    assert (left.title, left.closed, left.aliases) == ("Our title", True, ["/ours"])
    assert left.key == thread.key, "the moderator closed this page"
    await undo.undo_action(service, EVERYTHING, closed.action)
    assert (await only_thread(service)).closed is False


@pytest.mark.parametrize(
    "changes", [{"closed": True}, {"mode": Mode.ALL}, {"open_until": "2099-01-01T00:00:00Z"}, {"title": "Ours"}]
)
async def test_a_moderator_still_finds_and_changes_a_thread_that_they_changed_before(service, changes):
    one = await write(service)
    thread = await only_thread(service)
    await change(service, thread, **changes)
    await withdraw(service, one)
    left = await only_thread(service)
    assert (left.id, left.key, left.title) == (thread.id, thread.key, changes.get("title"))
    await change(service, left, closed=True)
    with pytest.raises(ThreadClosed):
        await write(service, "Too late.")


async def test_an_address_of_a_moderator_replaces_the_one_that_comments_brought(service):
    one = await write(service)
    thread = await only_thread(service)
    aliased = await change(service, thread, thread=f"{BLOG}/ours/")
    await withdraw(service, one)
    left = await only_thread(service)
    assert (left.key, left.aliases, left.title) == ("/ours", [], None)
    assert await words_left(service) == []
    with pytest.raises(Conflict, match="erased"):
        await undo.undo_action(service, EVERYTHING, aliased.action)


async def test_a_title_that_a_moderator_took_back_goes_with_the_last_comment(service):
    one = await write(service)
    renamed = await change(service, await only_thread(service), title="Ours")
    await undo.undo_action(service, EVERYTHING, renamed.action)
    assert (await only_thread(service)).title == "Canary title"
    await withdraw(service, one)
    assert await words_left(service) == []


async def test_a_merged_thread_keeps_no_name_of_an_erased_comment(service):
    written = [
        await write(service, thread=f"{BLOG}/canary-{name}/", title=f"Canary {name}") for name in ("a", "b", "c")
    ]
    found = {one.key: one for one in (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads}
    await change(service, found["/canary-a"], merge_into=f"{BLOG}/canary-b/")
    merged = await change(service, found["/canary-b"], merge_into=f"{BLOG}/canary-c/")
    for comment in written:
        await withdraw(service, comment)
    assert await words_left(service) == []
    with pytest.raises(Conflict, match="erased"):
        await undo.undo_action(service, EVERYTHING, merged.action)
