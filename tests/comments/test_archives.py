"""Import the archives of two real blogs over the API, each comment at its original time.

No comment is lost: each is stored, or is refused for a reason that is counted here.
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
class ArchivedComment:
    """A comment in an archive. Its parent is an id of the archive, or None."""

    id: str
    parent: str | None
    thread: str
    name: str
    email: str
    website: str | None
    text: str
    at: datetime


def load_yaml_as_text(yaml_text: str) -> Any:
    """Parse YAML without converting values: ``name: 010`` and ``name: no`` stay text."""
    return yaml.load(yaml_text, yaml.BaseLoader)  # noqa: S506 -- BaseLoader creates only strings


@pytest.fixture
def travisdowns(shared) -> list[ArchivedComment]:
    """A blog of long technical answers. Its emails are hashes, so each name gets a made-up address."""
    with tarfile.open(shared / ARCHIVES / "travisdowns.staticman.tar.gz") as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        entries = [load_yaml_as_text(file.read().decode()) for file in files if file]
    emails = {}
    return parents_first(
        ArchivedComment(
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
def arey(shared) -> list[ArchivedComment]:
    """A French blog. Its email addresses are made up, in a domain reserved for documentation."""
    entries = load_yaml_as_text(gzip.decompress((shared / ARCHIVES / "arey.comments.yaml.gz").read_bytes()).decode())
    return parents_first(
        ArchivedComment(
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


def parents_first(archived: Iterator[ArchivedComment]) -> list[ArchivedComment]:
    """Sort by date, with every parent before its replies."""
    by_id = {one.id: one for one in archived}
    placed: dict[str, ArchivedComment] = {}

    def place(one: ArchivedComment) -> None:
        if one.parent in by_id:
            place(by_id[one.parent])
        placed.setdefault(one.id, one)

    for one in sorted(by_id.values(), key=lambda one: (one.at, one.id)):
        place(one)
    return list(placed.values())


@dataclass
class Importer:
    """Posts archived comments, approves each before its replies, and counts the refusals."""

    client: Any
    key: dict[str, str]
    clock: Any
    kept: dict[str, ArchivedComment] = field(default_factory=dict)  # the service's id -> the archive's comment
    ids: dict[str, str] = field(default_factory=dict)  # the archive's id -> the service's
    parents: dict[str, str | None] = field(default_factory=dict)  # the service's id -> the parent's
    threads: dict[str, list[str]] = field(default_factory=dict)  # key -> the service's ids, oldest first
    refused: Counter[str] = field(default_factory=Counter)  # status, fields and reasons -> how often

    async def import_all(self, archived: list[ArchivedComment]) -> None:
        for one in archived:
            await self.import_one(one)

    async def import_one(self, archived: ArchivedComment) -> None:
        """Post a comment; correct a refused thread or parent and try again."""
        self.clock.time = max(self.clock.time, archived.at)
        sent = {
            "thread": archived.thread,
            "parent": self.ids.get(archived.parent, archived.parent) if archived.parent else None,
            "name": archived.name,
            "email": archived.email,
            "website": archived.website,
            "comment": archived.text,
        }
        answer = await self.post(sent)
        if answer == "422 thread foreign_thread":
            sent["thread"] = urlsplit(archived.thread).path  # a URL of the author's own machine
            answer = await self.post(sent)
        if answer == "422 parent unknown_parent":
            sent["parent"] = None
            answer = await self.post(sent)
        if isinstance(answer, dict):
            await self.record_and_approve(archived, answer, sent["parent"])
        elif answer == "409 duplicate":
            self.ids[archived.id] = self.find_original(archived)

    async def post(self, sent: dict[str, Any]) -> dict[str, Any] | str:
        """Return the receipt, or the status with the fields and codes of the errors."""
        response = await self.client.post("/v1/comments", json=sent)
        body = await response.json(content_type=None)
        if response.status == 202:
            return body
        assert response.content_type == "application/problem+json", body
        faults = [f"{fault['field']} {fault['code']}" for fault in body["errors"]] or [body["code"]]
        answer = f"{response.status} {', '.join(faults)}"
        self.refused[answer] += 1
        return answer

    async def record_and_approve(self, archived: ArchivedComment, receipt: dict[str, Any], parent: str | None) -> None:
        self.kept[receipt["id"]] = archived
        self.ids[archived.id] = receipt["id"]
        self.parents[receipt["id"]] = parent
        self.threads.setdefault(receipt["thread"], []).append(receipt["id"])
        response = await self.client.post(
            "/v1/moderation/actions", json={"action": "approve", "ids": [receipt["id"]]}, headers=self.key
        )
        assert (await response.json())["changed"] == 1

    def find_original(self, archived: ArchivedComment) -> str:
        """Return the id of the stored comment with the same text. Replies to the duplicate go there."""
        return next(
            id_ for id_, earlier in reversed(self.kept.items()) if duplicate_key(earlier) == duplicate_key(archived)
        )


def duplicate_key(archived: ArchivedComment) -> tuple[str, str | None, str, str]:
    """Return the text, place and author for comparison; white space and letter case are ignored."""
    return archived.thread, archived.parent, archived.name.casefold(), " ".join(archived.text.casefold().split())


async def start_import(service, clock, aiohttp_client, *, since: str) -> Importer:
    """Return an importer with an admin key, and set the clock to a time before the first comment."""
    key = await a_key(service)
    clock.time = datetime.fromisoformat(since)
    return Importer(await aiohttp_client(application(service)), key, clock)


async def fetch_pages(client, path: str, headers=None, **query) -> list[dict[str, Any]]:
    """Fetch every page by following the cursors."""
    pages, cursor = [], {}
    while True:
        response = await client.get(path, params=query | cursor, headers=headers)
        assert response.status == 200, await response.text()
        pages.append(await response.json())
        if not pages[-1]["next_cursor"]:
            return pages
        cursor = {"cursor": pages[-1]["next_cursor"]}


def walk_tree(nodes: list[dict[str, Any]], above: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield every comment of a tree, depth first; check that each is under its parent."""
    for node in nodes:
        if not node.get("stub"):
            assert node["parent"] == above
            yield {name: value for name, value in node.items() if name != "replies"}
        yield from walk_tree(node["replies"], node["id"])


def expected_order(importer: Importer, thread: str, view: str, order: str) -> list[str]:
    """Return the ids of a thread in the order that the archive requires."""
    ids = importer.threads[thread]
    if view == "flat":
        return ids if order == "oldest" else ids[::-1]

    def below(parent: str | None) -> Iterator[str]:
        replies = [id_ for id_ in ids if importer.parents[id_] == parent]
        for id_ in replies[::-1] if parent is None and order == "newest" else replies:
            yield id_
            yield from below(id_)

    return list(below(None))


async def assert_listed_in_order(importer: Importer) -> None:
    for thread, ids in importer.threads.items():
        shown: dict[str, dict[str, Any]] = {}
        for view in ("tree", "flat"):
            for order in ("oldest", "newest"):
                asked = {"thread": thread, "view": view, "order": order}
                (whole,) = await fetch_pages(importer.client, "/v1/comments", **asked, limit=1000)
                paged = await fetch_pages(importer.client, "/v1/comments", **asked, limit=7)
                assert [len(list(comments_of(page, view))) for page in paged[:-1]] == [7] * (len(paged) - 1)
                listed = list(comments_of(whole, view))
                assert [one for page in paged for one in comments_of(page, view)] == listed
                assert [one["id"] for one in listed] == expected_order(importer, thread, view, order)
                assert {page["thread"]["count"] for page in (whole, *paged)} == {len(ids)}
                assert shown.setdefault(view, by_id(listed)) == by_id(listed), "both orders show the same"
        assert shown["tree"] == shown["flat"], "both views show the same"
        for id_, one in shown["flat"].items():
            assert one["parent"] == importer.parents[id_]
            assert one["depth"] == depth(importer, id_)
            assert one["created_at"] == format_time(importer.kept[id_].at)
            assert one["name"] == importer.kept[id_].name
            assert one["website"] == importer.kept[id_].website


def comments_of(page: dict[str, Any], view: str) -> Iterator[dict[str, Any]]:
    return walk_tree(page["comments"]) if view == "tree" else iter(page["comments"])


def by_id(listed: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in listed}


def depth(importer: Importer, id_: str) -> int:
    above = importer.parents[id_]
    return 0 if above is None else 1 + depth(importer, above)


async def assert_texts_unchanged(importer: Importer) -> None:
    asked = {"status": "approved", "limit": 200}
    pages = await fetch_pages(importer.client, "/v1/moderation/comments", headers=importer.key, **asked)
    found = {one["id"]: one for page in pages for one in page["comments"]}

    assert {id_: one["comment"] for id_, one in found.items()} == {
        id_: archived.text for id_, archived in importer.kept.items()
    }
    assert {id_: one["email"] for id_, one in found.items()} == {
        id_: archived.email for id_, archived in importer.kept.items()
    }
    assert pages[-1]["totals"] == {"approved": len(importer.kept), "pending": 0, "spam": 0, "trash": 0, "reported": 0}
    for id_ in [*importer.kept][::25]:
        response = await importer.client.get(f"/v1/moderation/comments/{id_}", headers=importer.key)
        assert (await response.json())["comment"] == importer.kept[id_].text


async def assert_counts_match(importer: Importer) -> None:
    names = [("thread", name) for name in importer.threads]
    response = await importer.client.get("/v1/counts", params=names)
    assert (await response.json())["counts"] == {name: len(ids) for name, ids in importer.threads.items()}
    latest = [
        one["id"] for page in await fetch_pages(importer.client, "/v1/latest", limit=90) for one in page["comments"]
    ]
    assert latest == sorted(importer.kept, reverse=True)
    threads = [
        one
        for page in await fetch_pages(importer.client, "/v1/threads", headers=importer.key)
        for one in page["threads"]
    ]
    assert {one["key"]: one["count"] for one in threads} == {name: len(ids) for name, ids in importer.threads.items()}


async def assert_nothing_lost(importer):
    await assert_listed_in_order(importer)
    await assert_texts_unchanged(importer)
    await assert_counts_match(importer)


@pytest.mark.slow
async def test_an_operator_imports_a_technical_blog_and_every_refusal_is_counted(
    travisdowns, database_url, clock, aiohttp_client
):
    async with a_service(database_url, clock, sites="https://travisdowns.github.io") as service:
        importer = await start_import(service, clock, aiohttp_client, since="2019-01-01T00:00:00Z")
        await importer.import_all(travisdowns)
        await assert_nothing_lost(importer)

    assert importer.refused == {
        "422 name required": 1,  # the name is one zero-width joiner
        "422 thread foreign_thread": 3,  # URLs of the author's own machine; stored under the path alone
        "422 parent unknown_parent": 1,  # the parent is not in the archive; stored at the top level
        "409 duplicate": 1,  # "test" by one person a few minutes after "TEst"
    }
    assert (len(travisdowns), len(importer.kept), len(importer.threads)) == (397, 397 - 2, 17)
    assert sum("\r\n" in archived.text for archived in importer.kept.values()) == 115
    assert sum(parent is not None for parent in importer.parents.values()) == 134


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True)
async def test_an_operator_imports_a_french_blog_and_every_refusal_is_counted(
    arey, database_url, clock, aiohttp_client
):
    async with a_service(database_url, clock, sites="https://www.javaetmoi.com") as service:
        importer = await start_import(service, clock, aiohttp_client, since="2012-01-01T00:00:00Z")
        await importer.import_all(arey)
        await assert_nothing_lost(importer)

    assert importer.refused == {
        "422 comment too_long": 1,  # 25,690 characters of a stack trace
        "422 parent unknown_parent": 1,  # a reply to the stack trace; stored at the top level
        "422 name too_long, email required": 1,  # a pingback, not a comment by a person
    }
    assert (len(arey), len(importer.kept), len(importer.threads)) == (175, 175 - 2, 44)
    assert max(depth(importer, id_) for id_ in importer.kept) == 3


async def test_the_service_accepts_a_long_stack_trace_if_the_operator_raises_the_limit(
    arey, database_url, clock, aiohttp_client
):
    (trace,) = [archived for archived in arey if len(archived.text) > 10_000]
    replies = [archived for archived in arey if archived.parent == trace.id]
    above = [archived for archived in arey if archived.id == trace.parent]
    async with a_service(database_url, clock, comment_length=30_000) as service:
        importer = await start_import(service, clock, aiohttp_client, since="2012-01-01T00:00:00Z")
        await importer.import_all([*above, trace, *replies])
        await assert_listed_in_order(importer)
        await assert_texts_unchanged(importer)

    assert (importer.refused, len(trace.text), len(replies)) == ({}, 25_690, 1)
    assert importer.parents[importer.ids[replies[0].id]] == importer.ids[trace.id]


async def test_the_service_keeps_the_first_of_several_duplicates_on_one_page_and_day(
    travisdowns, database_url, clock, aiohttp_client
):
    repeats = Counter(map(duplicate_key, travisdowns))
    duplicates = [
        replace(archived, at=travisdowns[0].at) for archived in travisdowns if repeats[duplicate_key(archived)] > 1
    ]
    answer = replace(duplicates[-1], id="answer", parent=duplicates[-1].id, text="I heard you the first time.")
    async with a_service(database_url, clock, sites="https://travisdowns.github.io") as service:
        importer = await start_import(service, clock, aiohttp_client, since="2019-01-01T00:00:00Z")
        await importer.import_all([*duplicates, answer])
        await assert_listed_in_order(importer)

    assert (len(duplicates), importer.refused) == (15, {"409 duplicate": 11})
    assert len(importer.kept) == len(duplicates) + 1 - 11
    assert importer.parents[importer.ids["answer"]] == importer.ids[duplicates[-1].id], (
        "a reply to a duplicate is under the first comment"
    )
