"""Two real blogs move in as their readers once wrote: over the API, each comment on its own day.

Nothing is lost on the way, and the books balance: what was read was kept, or was refused for a reason
that is counted here.
"""

import gzip
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from commentsvc.domain.timestamps import format_time
from commentsvc.web.routes import application
from tests.conftest import a_key, a_service

ARCHIVES = "archives"


@dataclass(frozen=True)
class Written:
    """A comment as an archive has it. Its parent is an id of the archive's, or None."""

    id: str
    parent: str | None
    thread: str
    name: str
    email: str
    website: str | None
    text: str
    at: datetime


def texts_of(yaml_text: str) -> Any:
    """Every value as the text that stands there: ``name: 010`` and ``name: no`` are people too."""
    return yaml.load(yaml_text, yaml.BaseLoader)  # noqa: S506 -- the loader that makes nothing but texts


@pytest.fixture
def travisdowns(shared) -> list[Written]:
    """A blog of long technical answers. Its emails are hashes, so everybody gets an address by name."""
    with tarfile.open(shared / ARCHIVES / "travisdowns.staticman.tar.gz") as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        entries = [texts_of(file.read().decode()) for file in files if file]
    emails = {}
    return parents_first(
        Written(
            id=entry["_id"],
            parent=entry["replying_to_uid"] or None,
            thread=entry["_parent"],
            name=entry["name"],
            email=emails.setdefault(entry["name"], f"reader{len(emails)}@example.com"),
            website=None,
            text=entry["message"],
            at=datetime.fromtimestamp(int(entry["date"]), UTC),
        )
        for entry in entries
    )


@pytest.fixture
def arey(shared) -> list[Written]:
    """A French blog. Its addresses are made up, and end in a domain that documents may use."""
    entries = texts_of(gzip.decompress((shared / ARCHIVES / "arey.comments.yaml.gz").read_bytes()).decode())
    return parents_first(
        Written(
            id=entry["id"],
            parent=entry["parent_id"] if entry["parent_id"] != "0" else None,
            thread=entry["post_url"],
            name=entry["author_name"],
            email=entry["author_email"],
            website=entry["author_url"] or None,
            text=entry["content"],
            at=datetime.fromisoformat(entry["published"]),
        )
        for entry in entries
    )


def parents_first(written: Iterator[Written]) -> list[Written]:
    """By date, but nobody is answered before they have spoken."""
    by_id = {one.id: one for one in written}
    placed: dict[str, Written] = {}

    def place(one: Written) -> None:
        if one.parent in by_id:
            place(by_id[one.parent])
        placed.setdefault(one.id, one)

    for one in sorted(by_id.values(), key=lambda one: (one.at, one.id)):
        place(one)
    return list(placed.values())


@dataclass
class Move:
    """Posts comments and has each approved before it is answered; keeps the books."""

    client: Any
    key: dict[str, str]
    clock: Any
    kept: dict[str, Written] = field(default_factory=dict)  # the service's id -> the archive's comment
    ids: dict[str, str] = field(default_factory=dict)  # the archive's id -> the service's
    hung: dict[str, str | None] = field(default_factory=dict)  # the service's id -> the parent's
    threads: dict[str, list[str]] = field(default_factory=dict)  # key -> the service's ids, in their order
    refused: Counter[str] = field(default_factory=Counter)  # status, fields and reasons -> how often

    async def every(self, written: list[Written]) -> None:
        for one in written:
            await self.one(one)

    async def one(self, written: Written) -> None:
        """Post a comment; where it is refused for its place, mend that and try again."""
        self.clock.time = max(self.clock.time, written.at)
        sent = {
            "thread": written.thread,
            "parent": self.ids.get(written.parent, written.parent) if written.parent else None,
            "name": written.name,
            "email": written.email,
            "website": written.website,
            "comment": written.text,
        }
        answer = await self.post(sent)
        if answer == "422 thread foreign_thread":
            sent["thread"] = urlsplit(written.thread).path  # written on the author's own machine
            answer = await self.post(sent)
        if answer == "422 parent unknown_parent":
            sent["parent"] = None
            answer = await self.post(sent)
        if isinstance(answer, dict):
            await self.keep(written, answer, sent["parent"])
        elif answer == "409 duplicate":
            self.ids[written.id] = self.twin_of(written)

    async def post(self, sent: dict[str, Any]) -> dict[str, Any] | str:
        """The receipt; or the status, the fields that are named, and why."""
        response = await self.client.post("/v1/comments", json=sent)
        body = await response.json(content_type=None)
        if response.status == 202:
            return body
        assert response.content_type == "application/problem+json", body
        faults = [f"{fault['field']} {fault['code']}" for fault in body["errors"]] or [body["code"]]
        answer = f"{response.status} {', '.join(faults)}"
        self.refused[answer] += 1
        return answer

    async def keep(self, written: Written, receipt: dict[str, Any], parent: str | None) -> None:
        self.kept[receipt["id"]] = written
        self.ids[written.id] = receipt["id"]
        self.hung[receipt["id"]] = parent
        self.threads.setdefault(receipt["thread"], []).append(receipt["id"])
        response = await self.client.post(
            "/v1/moderation/actions", json={"action": "approve", "ids": [receipt["id"]]}, headers=self.key
        )
        assert (await response.json())["changed"] == 1

    def twin_of(self, written: Written) -> str:
        """The comment that said the same before; who answers the twin answers it."""
        return next(id_ for id_, earlier in reversed(self.kept.items()) if words(earlier) == words(written))


def words(written: Written) -> tuple[str, str | None, str, str]:
    """What was said where and by whom: white space and the letter case of a name make no difference."""
    return written.thread, written.parent, written.name.casefold(), " ".join(written.text.split())


async def moving_in(service, clock, aiohttp_client, *, since: str) -> Move:
    """Somebody with a key, at a time before anything was written."""
    key = await a_key(service)
    clock.time = datetime.fromisoformat(since)
    return Move(await aiohttp_client(application(service)), key, clock)


async def pages_of(client, path: str, headers=None, **query) -> list[dict[str, Any]]:
    """Page after page, by the cursors."""
    pages, cursor = [], {}
    while True:
        response = await client.get(path, params=query | cursor, headers=headers)
        assert response.status == 200, await response.text()
        pages.append(await response.json())
        if not pages[-1]["next_cursor"]:
            return pages
        cursor = {"cursor": pages[-1]["next_cursor"]}


def walked(nodes: list[dict[str, Any]], above: str | None = None) -> Iterator[dict[str, Any]]:
    """Every comment of a tree, depth first, after a look that it hangs where it says."""
    for node in nodes:
        if not node.get("stub"):
            assert node["parent"] == above
            yield {name: value for name, value in node.items() if name != "replies"}
        yield from walked(node["replies"], node["id"])


def in_order(move: Move, thread: str, view: str, order: str) -> list[str]:
    """The ids of a thread as they ought to be listed, from the archive alone."""
    ids = move.threads[thread]
    if view == "flat":
        return ids if order == "oldest" else ids[::-1]

    def below(parent: str | None) -> Iterator[str]:
        replies = [id_ for id_ in ids if move.hung[id_] == parent]
        for id_ in replies[::-1] if parent is None and order == "newest" else replies:
            yield id_
            yield from below(id_)

    return list(below(None))


async def everything_is_listed_where_it_hung(move: Move) -> None:
    for thread, ids in move.threads.items():
        shown: dict[str, dict[str, Any]] = {}
        for view in ("tree", "flat"):
            for order in ("oldest", "newest"):
                asked = {"thread": thread, "view": view, "order": order}
                (whole,) = await pages_of(move.client, "/v1/comments", **asked, limit=1000)
                paged = await pages_of(move.client, "/v1/comments", **asked, limit=7)
                assert [len(list(comments_of(page, view))) for page in paged[:-1]] == [7] * (len(paged) - 1)
                listed = list(comments_of(whole, view))
                assert [one for page in paged for one in comments_of(page, view)] == listed
                assert [one["id"] for one in listed] == in_order(move, thread, view, order)
                assert {page["thread"]["count"] for page in (whole, *paged)} == {len(ids)}
                assert shown.setdefault(view, by_id(listed)) == by_id(listed), "both orders show the same"
        assert shown["tree"] == shown["flat"], "both views show the same"
        for id_, one in shown["flat"].items():
            assert one["parent"] == move.hung[id_]
            assert one["depth"] == depth(move, id_)
            assert one["created_at"] == format_time(move.kept[id_].at)
            assert one["name"] == move.kept[id_].name
            assert one["website"] == move.kept[id_].website


def comments_of(page: dict[str, Any], view: str) -> Iterator[dict[str, Any]]:
    return walked(page["comments"]) if view == "tree" else iter(page["comments"])


def by_id(listed: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in listed}


def depth(move: Move, id_: str) -> int:
    above = move.hung[id_]
    return 0 if above is None else 1 + depth(move, above)


async def every_text_is_whole(move: Move) -> None:
    asked = {"status": "approved", "limit": 200}
    pages = await pages_of(move.client, "/v1/moderation/comments", headers=move.key, **asked)
    found = {one["id"]: one for page in pages for one in page["comments"]}

    assert {id_: one["comment"] for id_, one in found.items()} == {
        id_: written.text for id_, written in move.kept.items()
    }
    assert {id_: one["email"] for id_, one in found.items()} == {
        id_: written.email for id_, written in move.kept.items()
    }
    assert pages[-1]["totals"] == {"approved": len(move.kept), "pending": 0, "spam": 0, "trash": 0, "reported": 0}
    for id_ in [*move.kept][::25]:
        response = await move.client.get(f"/v1/moderation/comments/{id_}", headers=move.key)
        assert (await response.json())["comment"] == move.kept[id_].text


async def every_count_agrees(move: Move) -> None:
    names = [("thread", name) for name in move.threads]
    response = await move.client.get("/v1/counts", params=names)
    assert (await response.json())["counts"] == {name: len(ids) for name, ids in move.threads.items()}
    latest = [one["id"] for page in await pages_of(move.client, "/v1/latest", limit=90) for one in page["comments"]]
    assert latest == sorted(move.kept, reverse=True)
    threads = [one for page in await pages_of(move.client, "/v1/threads", headers=move.key) for one in page["threads"]]
    assert {one["key"]: one["count"] for one in threads} == {name: len(ids) for name, ids in move.threads.items()}


async def nothing_was_lost(move):
    await everything_is_listed_where_it_hung(move)
    await every_text_is_whole(move)
    await every_count_agrees(move)


async def test_a_technical_blog_moves_in_and_the_books_balance(travisdowns, database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://travisdowns.github.io") as service:
        move = await moving_in(service, clock, aiohttp_client, since="2019-01-01T00:00:00Z")
        await move.every(travisdowns)
        await nothing_was_lost(move)

    assert move.refused == {
        "422 name required": 1,  # it is one zero-width joiner
        "422 thread foreign_thread": 3,  # the author's own machine; each was kept on the page that it showed
        "422 parent unknown_parent": 1,  # answers what the archive does not have; it was kept at the top
    }
    assert (len(travisdowns), len(move.kept), len(move.threads)) == (397, 397 - 1, 17)
    assert sum("\r\n" in written.text for written in move.kept.values()) == 115
    assert sum(parent is not None for parent in move.hung.values()) == 134


async def test_a_french_blog_moves_in_and_the_books_balance(arey, database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://www.javaetmoi.com") as service:
        move = await moving_in(service, clock, aiohttp_client, since="2012-01-01T00:00:00Z")
        await move.every(arey)
        await nothing_was_lost(move)

    assert move.refused == {
        "422 comment too_long": 1,  # 25,690 characters of a stack trace
        "422 parent unknown_parent": 1,  # answers the stack trace; it was kept at the top
        "422 name too_long, email required": 1,  # a pingback: nobody wrote it
    }
    assert (len(arey), len(move.kept), len(move.threads)) == (175, 175 - 2, 44)
    assert max(depth(move, id_) for id_ in move.kept) == 3


async def test_a_whole_stack_trace_is_taken_where_the_operator_allows_it(arey, database_url, clock, aiohttp_client):
    (trace,) = [written for written in arey if len(written.text) > 10_000]
    replies = [written for written in arey if written.parent == trace.id]
    above = [written for written in arey if written.id == trace.parent]
    async with a_service(database_url, clock, comment_length=30_000) as service:
        move = await moving_in(service, clock, aiohttp_client, since="2012-01-01T00:00:00Z")
        await move.every([*above, trace, *replies])
        await everything_is_listed_where_it_hung(move)
        await every_text_is_whole(move)

    assert (move.refused, len(trace.text), len(replies)) == ({}, 25_690, 1)
    assert move.hung[move.ids[replies[0].id]] == move.ids[trace.id]


async def test_of_those_who_said_the_same_on_one_page_on_one_day_the_first_is_kept(
    travisdowns, database_url, clock, aiohttp_client
):
    said = Counter(map(words, travisdowns))
    twins = [replace(written, at=travisdowns[0].at) for written in travisdowns if said[words(written)] > 1]
    answer = replace(twins[-1], id="answer", parent=twins[-1].id, text="I heard you the first time.")
    async with a_service(database_url, clock, sites="https://travisdowns.github.io") as service:
        move = await moving_in(service, clock, aiohttp_client, since="2019-01-01T00:00:00Z")
        await move.every([*twins, answer])
        await everything_is_listed_where_it_hung(move)

    assert (len(twins), move.refused) == (10, {"409 duplicate": 7})
    assert len(move.kept) == len(twins) + 1 - 7
    assert move.hung[move.ids["answer"]] == move.ids[twins[-1].id], "who answers a twin answers the first"
