"""A site that does not ask for email addresses: commenters, moderators and rules do without."""

import re

import pytest

from commentsvc.comments import edit
from commentsvc.comments.post import post_comment
from commentsvc.comments.read import list_thread
from commentsvc.comments.schemas import CommentEdit, ThreadQuery
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import Effect, Mode, RuleKind, Scope, StatusFilter
from commentsvc.moderation import queue, undo
from commentsvc.moderation.schemas import PrivateSearch, QueueQuery
from commentsvc.operations.secrets import Resealed, reseal_emails
from commentsvc.rules.backtest import backtest_rule
from commentsvc.rules.manage import add_rule
from commentsvc.rules.schemas import BacktestRequest, NewRule
from commentsvc.sites import manage
from commentsvc.sites.schemas import SiteChange
from commentsvc.web.routes import application
from tests.comments.test_post import approve
from tests.conftest import EVERYTHING, a_key, a_service, draft, fields_of, visit

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}


async def make_optional(service, *, required=False, number=0):
    """Change the setting of a site; return its record."""
    site = (await manage.list_sites(service, EVERYTHING)).sites[number]
    return await manage.change_site(service, EVERYTHING, site.id, SiteChange(email_required=required))


def codes(problem):
    return [(fault["field"], fault["code"]) for fault in problem["errors"]]


async def test_a_comment_needs_an_address_by_default(service):
    with pytest.raises(Invalid) as refused:
        await post_comment(service, draft(email=None), visit())
    assert [(fault.field, fault.code) for fault in refused.value.faults] == [("email", "required")]
    assert (await manage.list_sites(service, EVERYTHING)).sites[0].email_required


async def test_a_commenter_leaves_out_the_address_where_it_is_optional(service):
    await make_optional(service)
    receipt = await post_comment(service, draft(email=None), visit())
    await post_comment(service, draft(comment="With an address."), visit())

    [first, second] = (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments
    assert (first.id, first.email, first.network) == (receipt.id, None, "198.51.100.0/24")
    assert (first.author.approved, first.author.spam) == (0, 0)
    assert second.email == "mia@example.com"
    await approve(service, receipt)
    [public] = (await list_thread(service, ThreadQuery(thread="/a-page/"), visit())).listing.comments
    assert (public.name, public.id) == ("Mia", receipt.id)


async def test_comments_without_an_address_are_nobody_in_particular(service):
    """They are not counted as one commenter, and no search by address finds them."""
    await make_optional(service)
    await approve(service, await post_comment(service, draft(email=None), visit()))
    await post_comment(service, draft(email=None, name="Jo", comment="Another person."), visit())
    [mia, jo] = (await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.ANY))).comments
    assert (jo.author.approved, mia.author.approved) == (0, 0)
    search = PrivateSearch(status=StatusFilter.ANY, email=Email("mia@example.com"))
    found = await queue.search_comments(service, EVERYTHING, search)
    assert found.comments == []


async def test_an_invalid_address_is_refused_even_where_it_is_optional(service, aiohttp_client):
    await make_optional(service)
    client = await aiohttp_client(application(service))
    response = await client.post("/v1/comments", json=fields_of(email="nobody"))
    assert (response.status, codes(await response.json())) == (422, [("email", "invalid_email")])


@pytest.mark.parametrize("email", ["", None])
async def test_all_faults_are_told_at_once_with_the_missing_address(service, aiohttp_client, email):
    client = await aiohttp_client(application(service))
    wrong = {"name": "", "comment": "", "email": email, "site": "none"}
    required = [("name", "required"), ("email", "required"), ("comment", "required")]
    for send in ({"json": fields_of(**wrong)}, {"data": fields_of(**wrong)}):
        response = await client.post("/v1/comments", **send)
        assert codes(await response.json()) == [*required, ("site", "unknown_site")]
    response = await client.post("/v1/comments", json={})
    assert codes(await response.json()) == [*required, ("thread", "required")]
    await make_optional(service)
    for send in ({"json": fields_of(**wrong)}, {"data": fields_of(**wrong)}):
        response = await client.post("/v1/comments", **send)
        # In JSON an empty text is an error of its own.
        without_email = [one for one in required if one[0] != "email" or ("json" in send and email == "")]
        assert codes(await response.json()) == [*without_email, ("site", "unknown_site")]


async def test_each_site_has_its_own_setting(database_url, clock, aiohttp_client):
    sites = "https://a.example https://b.example"
    async with a_service(database_url, clock, sites=sites) as service:
        changed = await make_optional(service)
        client = await aiohttp_client(application(service))
        answers = {}
        for host in ("a.example", "b.example"):
            body = fields_of(email="", name="")
            response = await client.post("/v1/comments", data=body, headers={"Origin": f"https://{host}"})
            answers[host] = "email" in {field for field, _ in codes(await response.json())}
            opened = await client.get("/v1/form", headers={"Origin": f"https://{host}"})
            assert (await opened.json())["email_required"] is answers[host]
        assert answers == {name: name != changed.name for name in answers}
        assert (await (await client.get("/v1/form")).json())["email_required"], "the site is not clear"


def email_field(page):
    """Return the label and the field of the email address."""
    label = re.search(r'<label[^>]*for="[^"]*-email">(.*?)</label>', page)[1]
    return label, re.search(r'<input[^>]*name="email"[^>]*>', page)[0]


@pytest.mark.parametrize("path", ["/t?thread=/a-page/", "/v1/comments.html?thread=/a-page/", "/"])
async def test_the_mark_of_the_field_goes_with_the_setting(service, aiohttp_client, path):
    client = await aiohttp_client(application(service))
    before = await client.get(path)
    label, field = email_field(await before.text())
    assert "*" in label
    assert " required" in field
    await make_optional(service)
    after = await client.get(path, headers={"If-None-Match": before.headers.get("ETag", '"none"')})
    label, field = email_field(await after.text())
    assert "*" not in label
    assert " required" not in field
    assert " required" in re.search(r'<input[^>]*name="name"[^>]*>', await after.text())[0]


async def test_cached_pages_of_a_busy_thread_change_with_the_setting(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    await approve(service, await post_comment(service, draft(), visit()))
    tags = []
    for required in (True, False, True):
        await make_optional(service, required=required)
        tags.append((await client.get("/v1/comments.html?thread=/a-page/")).headers["ETag"])
    assert tags[0] == tags[2] != tags[1]


async def test_a_browser_without_script_posts_without_an_address(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    body = fields_of(email="")
    refused = await client.post("/v1/comments?lang=en", data=body, headers=BROWSER, allow_redirects=False)
    assert refused.status == 422
    assert "Please enter your email address." in await refused.text()
    await make_optional(service)
    taken = await client.post("/v1/comments?lang=en", data=body, headers=BROWSER, allow_redirects=False)
    assert taken.status == 303


async def test_a_retry_without_an_address_gets_the_same_receipt(service):
    await make_optional(service)
    new = draft(email=None, submission="a-draft-of-mia")
    assert (await post_comment(service, new, visit())).id == (await post_comment(service, new, visit())).id


async def test_the_author_token_proves_a_commenter_without_an_address(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.TRUSTED) as service:
        await make_optional(service)
        first = await post_comment(service, draft(email=None), visit())
        await approve(service, first)
        token = first.author_token
        known = await post_comment(service, draft(email=None, comment="Mine.", author_token=token), visit())
        other = await post_comment(service, draft(email=None, comment="Not mine."), visit())
        assert (known.status, other.status) == ("approved", "pending")


RULES = [
    (RuleKind.EMAIL, "mia@example.com"),
    (RuleKind.EMAIL_DOMAIN, "example.com"),
    (RuleKind.DISPOSABLE, ""),
]


async def test_rules_by_address_do_not_match_a_comment_without_one(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.ALL) as service:
        await make_optional(service)
        first = await post_comment(service, draft(email=None), visit())
        for kind, match in RULES:
            rule = NewRule(kind=kind, match=match, effect=Effect.SPAM)
            try:
                await add_rule(service, EVERYTHING, rule)
            except Invalid:
                assert kind is RuleKind.DISPOSABLE, "its list is an extra"
                continue
            tried = await backtest_rule(service, EVERYTHING, BacktestRequest(kind=kind, match=match))
            assert tried.hit == 0
        await post_comment(service, draft(email=None, comment="Another."), visit())
        await edit.edit_comment(service, first.id, first.edit_token, CommentEdit(comment="Changed."), visit())
        found = (await queue.search_comments(service, EVERYTHING, QueueQuery(status="pending"))).comments
        assert len(found) == 2
        assert {one.reasons[0].code for one in found} == {"mode_all"}


async def test_the_network_and_the_author_of_a_comment_without_an_address_can_be_banned(service, aiohttp_client):
    await make_optional(service)
    receipt = await post_comment(service, draft(email=None), visit())
    await add_rule(service, EVERYTHING, NewRule(kind=RuleKind.AUTHOR, match=receipt.id, effect=Effect.SPAM))
    again = draft(email=None, comment="Again.", author_token=receipt.author_token)
    await post_comment(service, again, visit())
    [spam] = (await queue.search_comments(service, EVERYTHING, QueueQuery(status="spam"))).comments
    assert spam.reasons[0].code == "author_banned"


async def test_a_new_key_passes_over_comments_without_an_address(service):
    await make_optional(service)
    await post_comment(service, draft(email=None), visit())
    await post_comment(service, draft(comment="With an address."), visit())
    assert await reseal_emails(service) == Resealed(resealed=1, unreadable=0)
    emails = [one.email for one in (await queue.search_comments(service, EVERYTHING, QueueQuery())).comments]
    assert emails == [None, "mia@example.com"]


async def test_older_comments_stay_when_the_address_is_required_again(service, aiohttp_client):
    changed = await make_optional(service)
    receipt = await post_comment(service, draft(email=None), visit())
    await undo.undo_action(service, EVERYTHING, changed.action)
    with pytest.raises(Invalid):
        await post_comment(service, draft(email=None, comment="Later."), visit())
    await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="Changed."), visit())
    client = await aiohttp_client(application(service))
    for path in (f"/v1/moderation/comments/{receipt.id}", "/v1/moderation/comments"):
        answer = await client.get(path, headers=await a_key(service, Scope.MODERATE))
        assert answer.status == 200
        assert b'"email":null' in await answer.read()


async def test_an_owner_changes_the_setting_by_the_api(service, aiohttp_client):
    client = await aiohttp_client(application(service))
    owner, moderator = await a_key(service), await a_key(service, Scope.MODERATE, name="Noa")
    [site] = (await (await client.get("/v1/sites", headers=owner)).json())["sites"]
    path, change = f"/v1/sites/{site['id']}", {"email_required": False}
    assert (await client.patch(path, json=change, headers=moderator)).status == 403
    changed = await (await client.patch(path, json=change | {"mode": "none"}, headers=owner)).json()
    assert (changed["email_required"], changed["mode"]) == (False, "none")
    undone = await client.post(f"/v1/moderation/actions/{changed['action']}/undo", headers=owner)
    assert undone.status == 200
    [site] = (await (await client.get("/v1/sites", headers=owner)).json())["sites"]
    assert (site["email_required"], site["mode"]) == (True, None)
    for wrong in (None, "no", 0, "false"):
        response = await client.patch(path, json={"email_required": wrong}, headers=owner)
        assert response.status == 422, wrong
