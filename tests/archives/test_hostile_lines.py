"""Test archives that are damaged, or made to do harm: each is refused with the number of its line, or made harmless."""

import gzip

import msgspec
import pytest

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.comments.read import list_thread
from commentsvc.comments.schemas import ThreadQuery
from commentsvc.domain.models import ActionVerb, Effect, Mode, RuleKind
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.rules import manage as rules
from commentsvc.rules.schemas import NewRule
from commentsvc.service import private_read
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite
from tests.archives.histories import state_of
from tests.archives.test_export import export_of, lines_of
from tests.archives.test_restore_lines import decide, import_of
from tests.conftest import EVERYTHING, OLD_SECRET, Clock, a_service, copied, post, visit
from tests.privacy.person import fill


@pytest.fixture
async def archive(served):
    """An archive with a thread of two comments, one of them a reply, and a rule."""
    service = await served(moderation=Mode.NONE)
    parent = await post(service, "A comment.", thread="/page/")
    await post(service, "Its reply.", thread="/page/", parent=parent)
    await fill(service)
    return await export_of(service)


@pytest.fixture
async def target(laid_file, tmp_path):
    async with a_service(copied(laid_file, tmp_path, "target.db"), Clock()) as service:
        yield service


def changed(archive, kind, /, **fields):
    """Return an archive in which fields of one line have other values; None leaves a field out."""
    lines = lines_of(archive)
    line = next(line for line in lines if line["type"] == kind)
    for name, value in fields.items():
        line.pop(name, None)
        if value is not None:
            line[name] = value
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


LATER = "2999-01-01T00:00:00.000Z"
NOWHERE = "01a203fe-5bb8-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        ("archive", {"format": "disqus"}, "format is not"),
        ("archive", {"version": 9}, "newer version"),
        ("site", {"id": "1; DROP TABLE comment"}, "Not a valid value"),
        ("site", {"privacy_url": "javascript:alert(1)"}, "Not a valid value"),
        (
            "rule",
            {"kind": "length", "email_sealed": None, "email_digest": None, "matching": "many"},
            "whole numbers|length|characters|must|Enter",
        ),
        ("rule", {"effect": "explode"}, "Invalid enum value"),
        ("thread", {"site": NOWHERE}, "not in the archive"),
        ("thread", {"extra": 1}, "unknown field"),
        ("comment", {"website": "javascript:alert(1)"}, "Not a valid value"),
        ("comment", {"page_url": "data:text/html,x"}, "Not a valid value"),
        ("comment", {"thread": NOWHERE}, "not in the archive"),
        ("comment", {"parent": NOWHERE}, "parent is not before it"),
        ("comment", {"created_at": LATER}, "in the future"),
        ("comment", {"created_at": "2026-02-31T00:00:00.000Z"}, "not a time"),
        ("comment", {"created_at": "yesterday"}, "Not a valid value"),
        ("comment", {"id": "ffffffff-ffff-7fff-8fff-ffffffffffff"}, "future"),
        ("comment", {"status": "excellent"}, "Invalid enum value"),
        ("comment", {"published_at": None}, "published_at"),
        ("comment", {"listed_at": None}, "listed_at"),
        ("comment", {"status": "spam", "listed_at": None}, "parent is not"),
        ("comment", {"text": "with a \0 in it"}, r"U\+0000"),
        ("comment", {"text": None}, "needs name, text and html"),
        ("comment", {"erased_at": "2026-11-22T16:02:11.000Z"}, "erased"),
        ("comment", {"number": 0}, "Expected"),
        ("comment", {"hue": 999}, "Expected"),
        ("end", {"comments": 7}, "numbers at the end"),
    ],
)
async def test_a_line_that_is_wrong_is_refused_with_its_number(archive, target, tmp_path, kind, fields, problem):
    before = await state_of(target)
    with pytest.raises(UnreadableArchive, match=problem) as refused:
        await import_of(target, changed(archive, kind, **fields), tmp_path)
    assert str(refused.value).startswith("Line ")
    assert await state_of(target) == before


@pytest.mark.parametrize("cut", [0, 10, 200, -1, -40])
async def test_an_archive_that_was_cut_off_is_refused(archive, target, tmp_path, cut):
    with pytest.raises(UnreadableArchive):
        await import_of(target, archive[:cut], tmp_path)
    with pytest.raises(UnreadableArchive):
        await import_of(target, gzip.compress(archive)[: cut or 5], tmp_path)


async def test_a_file_of_something_else_is_refused(target, tmp_path):
    for content in (b"\xff\xfe\0\0", b"[]\n", b"{}\n", b"<rss/>\n", b'{"type":"comment"}\n', b"[" * 5000 + b"\n"):
        with pytest.raises(UnreadableArchive):
            await import_of(target, content, tmp_path)


async def test_a_script_in_an_archive_never_reaches_readers(archive, target, tmp_path):
    html = '<p onclick="x()">Hi<script>alert(1)</script><img src=x onerror=x()><a href="javascript:x()">y</a></p>'
    await import_of(target, changed(archive, "comment", html=html), tmp_path)
    page = (await list_thread(target, ThreadQuery(thread="/page/"), visit())).listing
    assert "Hi" in page.comments[0].html
    for word in ("<script", "onerror", "onclick", "javascript:"):
        assert word not in page.comments[0].html


async def test_a_compressed_archive_is_imported_too(archive, target, tmp_path):
    books = await import_of(target, gzip.compress(archive), tmp_path)
    assert (books.read, books.imported) == (6, 6)


async def test_addresses_of_another_key_are_refused_and_the_cure_is_named(archive, laid_file, tmp_path):
    async with a_service(copied(laid_file, tmp_path, "other.db"), Clock(), secrets=(OLD_SECRET,)) as other:
        with pytest.raises(UnreadableArchive, match="--contacts clear"):
            await import_of(other, archive, tmp_path)


async def test_a_dry_run_changes_nothing_and_counts_the_same(archive, target, tmp_path):
    before = await state_of(target)
    planned = await import_of(target, archive, tmp_path, is_dry_run=True)
    assert await state_of(target) == before
    assert planned == await import_of(target, archive, tmp_path)


async def test_a_site_of_the_same_name_gets_the_comments_and_loses_nothing(archive, target, tmp_path):
    mine = await post(target, "Written here before.", thread="/page/")
    await decide(target, ActionVerb.APPROVE, mine)
    books = await import_of(target, archive, tmp_path)
    assert (books.imported, books.existing) == (6, 0)
    page = (await list_thread(target, ThreadQuery(thread="/page/"), visit())).listing
    assert (await count_sites(target), page.thread.count) == (1, 3)
    again = await import_of(target, archive, tmp_path)
    assert (again.imported, again.existing) == (0, 6)


async def test_what_was_decided_after_an_import_stays_in_a_second_one(archive, target, tmp_path):
    await import_of(target, archive, tmp_path)
    (id_, *_) = [line["id"] for line in lines_of(archive, "comment") if line["status"] == "approved"]
    await actions.apply_action(target, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[id_]))
    after = await state_of(target)
    await import_of(target, archive, tmp_path)
    assert await state_of(target) == after


async def test_an_origin_of_another_site_is_refused_before_anything_is_stored(archive, target, tmp_path):
    taken = changed(archive, "site", name="other", origins=["https://blog.example"])
    await import_of(target, changed(archive, "site", origins=["https://blog.example"]), tmp_path)
    clash = taken.replace(lines_of(archive, "site")[0]["id"].encode(), NOWHERE.encode())
    with pytest.raises(UnreadableArchive, match="belongs to the site blog"):
        await import_of(target, clash, tmp_path)


async def test_an_archive_that_is_imported_into_one_site_reaches_no_other(archive, target, tmp_path):
    await import_of(target, archive, tmp_path)
    await manage.add_site(target, EVERYTHING, NewSite(name="other.example", origins=["https://other.example"]))
    before = await state_of(target)
    with pytest.raises(UnreadableArchive, match="on another site here"):
        await import_of(target, archive, tmp_path, site="other.example")
    (thread,) = {line["id"] for line in lines_of(archive, "thread") if line["key"] == "/page"}
    fresh = archive.replace(thread.encode(), NOWHERE.encode())  # only the comments have ids that are known here
    fresh = changed(fresh, "thread", names=[{"name": "/elsewhere"}], key="/elsewhere")
    with pytest.raises(UnreadableArchive, match="on another site here"):
        await import_of(target, fresh, tmp_path, site="other.example")
    assert (await state_of(target))["comment"] == before["comment"]


async def test_a_rule_for_all_sites_stays_within_the_site_that_was_named(served, target, tmp_path):
    source = await served()
    await rules.add_rule(source, EVERYTHING, NewRule(kind=RuleKind.LENGTH, match="..500", effect=Effect.HOLD))
    archive = await export_of(source)
    await post(target, "So that no site is replaced.")
    site = await manage.add_site(target, EVERYTHING, NewSite(name="other.example", origins=["https://other.example"]))
    limited = changed(archive, "archive", site="blog")
    with pytest.raises(UnreadableArchive, match="no rule for all sites"):
        await import_of(target, limited, tmp_path)
    await import_of(target, archive, tmp_path, site="other.example")
    assert await list_sites_of_rules(target) == [site.id]


@private_read
async def list_sites_of_rules(unit):
    return [row["site_id"] for row in await unit.all("SELECT site_id FROM rule")]


@private_read
async def count_sites(unit):
    return (await unit.one("SELECT COUNT(*) AS number FROM site"))["number"]
