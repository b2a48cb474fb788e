"""Owners of an address confirm it with a mailed link; then browsers that they use are verified."""

import pytest

from commentsvc.comments import edit
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.deliveries import SubscriptionScope
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import Invalid, OriginNotAllowed
from commentsvc.domain.models import ActionVerb, Effect, Mode, RuleKind, Status, StatusFilter
from commentsvc.domain.timestamps import parse_time
from commentsvc.moderation import actions, queue
from commentsvc.moderation.schemas import Action, QueueQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.sites.manage import add_site
from commentsvc.sites.schemas import NewSite
from commentsvc.storage import addresses, comments, confirmations, subscriptions, threads
from commentsvc.storage.confirmations import Confirmation
from commentsvc.storage.subscriptions import NewSubscription
from commentsvc.subscriptions import confirm
from commentsvc.subscriptions.schemas import NewProof
from commentsvc.web.pages import redirects
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING, SECRET, a_service, draft, visit

MIA = "mia@example.com"
NOBODY = "01990000-0000-7000-8000-000000000000"


@write
async def ask_to_confirm(unit, email=MIA, *, days=7, subscribe=True):
    """Do what a mail about the only thread does; return the token of its link, and the id of the address."""
    place = await unit.one("SELECT id AS thread_id, site_id FROM thread ORDER BY id LIMIT 1")
    address = await addresses.find_or_add(unit, Email(email))
    made = Confirmation(
        id=unit.new_id(), address_id=address.id, language="en", created_at=unit.now(),
        expires_at=unit.ahead(days=days), used_at=None, **place,
    )  # fmt: skip
    await confirmations.add(unit, made)
    if subscribe:
        new = NewSubscription(address_id=address.id, scope=SubscriptionScope.THREAD, language="en", **place)
        await subscriptions.join_confirmation(unit, (await subscriptions.add(unit, new)).id, made.id)
    return unit.keyring.token("confirm", made.id, parse_time(made.expires_at)), address.id


@private_read
async def read_address(unit, email=MIA):
    found = await addresses.find(unit, unit.keyring.digests(Email(email)))
    return found, await subscriptions.list_of_address(unit, found.id)


@write
async def suppress(unit, email):
    address = await addresses.find_or_add(unit, Email(email))
    await addresses.suppress(unit, address.id, "request", unit.now())


async def prove(service, token, **more):
    confirmed = await confirm.confirm_address(service, token)
    return (await confirm.exchange_proof(service, NewProof(code=confirmed.code, **more), visit())).author_token


async def cards(service):
    listed = await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.ANY))
    return {card.comment: card for card in listed.comments}


async def approve(service, *ids):
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=list(ids)))


async def test_confirming_confirms_the_address_and_its_mails_once(service, clock):
    await post_comment(service, draft(comment="First."), visit())
    token, _ = await ask_to_confirm(service)
    found = await confirm.find_confirmation(service, token)
    assert (found.page.site.name, found.page.thread.key, len(found.subscriptions)) == ("blog", "/a-page", 1)
    address, (subscription,) = await read_address(service)
    assert (address.confirmed_at, subscription.confirmed_at) == (None, None)
    assert (await confirm.confirm_address(service, token)).code.startswith("cp_")
    address, (subscription,) = await read_address(service)
    assert None not in {address.confirmed_at, subscription.confirmed_at}
    assert await confirm.confirm_address(service, token) is None
    assert (await confirm.find_confirmation(service, token)).is_used


async def test_a_link_that_is_forged_or_too_old_confirms_nothing(service, clock):
    await post_comment(service, draft(), visit())
    token, _ = await ask_to_confirm(service)
    for wrong in (token[:-1], token.replace("cc_", "co_"), "cc_" + "A" * 56, service.keyring.token("confirm", NOBODY)):
        assert await confirm.find_confirmation(service, wrong) is None
        assert await confirm.confirm_address(service, wrong) is None
    clock.move(days=8)
    assert await confirm.confirm_address(service, token) is None
    assert (await read_address(service))[0].confirmed_at is None


async def test_a_browser_that_confirms_keeps_its_author_and_is_verified(service):
    posted = await post_comment(service, draft(comment="Before."), visit())
    of_bo = draft(comment="Before, as another.", author_token=posted.author_token, email="bo@example.com")
    await post_comment(service, of_bo, visit())
    token, _ = await ask_to_confirm(service)
    proven = await prove(service, token, author_token=posted.author_token)
    assert proven == posted.author_token
    await post_comment(service, draft(comment="After.", author_token=proven), visit())
    await post_comment(service, draft(comment="As another.", author_token=proven, email="bo@example.com"), visit())
    await post_comment(service, draft(comment="As a stranger."), visit())
    assert {text for text, card in (await cards(service)).items() if card.verified} == {"Before.", "After."}


async def test_a_second_browser_that_confirms_is_trusted(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.TRUSTED) as service:
        first = await post_comment(service, draft(comment="First."), visit())
        token, _ = await ask_to_confirm(service)
        proven = await prove(service, token)
        assert proven != first.author_token
        held = await post_comment(service, draft(comment="Nothing approved yet.", author_token=proven), visit())
        assert held.status == "pending"
        await approve(service, first.id)
        other = draft(comment="Another address.", author_token=proven, email="bo@example.com")
        assert (await post_comment(service, other, visit())).status == "pending"
        shown = await post_comment(service, draft(comment="Second browser.", author_token=proven), visit())
        assert shown.status == "approved"
        edited = await edit.edit_comment(service, shown.id, shown.edit_token, CommentEdit(comment="Mended."), visit())
        assert edited.status == "approved"


async def test_a_browser_stays_trusted_when_the_secret_key_changes(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.TRUSTED) as service:
        first = await post_comment(service, draft(comment="First."), visit())
        await approve(service, first.id)
        token, _ = await ask_to_confirm(service)
        proven = await prove(service, token)
        parts = {name: getattr(service, name) for name in ("db", "config", "clock", "new_id")}
        rotated = Service(keyring=Keyring(["a newer secret key for tests, of 32 characters", SECRET]), **parts)
        shown = await post_comment(rotated, draft(comment="Second browser.", author_token=proven), visit())
        assert shown.status == "approved"
        edited = await edit.edit_comment(rotated, shown.id, shown.edit_token, CommentEdit(comment="Mended."), visit())
        assert edited.status == "approved"


async def test_typing_the_address_of_somebody_who_confirmed_proves_nothing(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.TRUSTED) as service:
        mia = await post_comment(service, draft(comment="By Mia."), visit())
        await approve(service, mia.id)
        bad = await post_comment(service, draft(comment="By a stranger.", name="Eve"), visit())
        token, _ = await ask_to_confirm(service)  # the stranger asked for mail, and Mia confirms
        await prove(service, token)
        for author_token in (None, bad.author_token):
            tried = draft(comment=f"Again {author_token}.", name="Eve", author_token=author_token)
            assert (await post_comment(service, tried, visit())).status == "pending"
        assert not any(card.verified for card in (await cards(service)).values())


async def test_a_code_that_a_stranger_sends_to_a_browser_hands_no_author_over(service, clock):
    """Eve proves her address in Mia's browser. A later code of hers gives her a new author, never Mia's."""
    mia = await post_comment(service, draft(comment="By Mia."), visit())
    token, _ = await ask_to_confirm(service, "eve@example.com")
    await prove(service, token, author_token=mia.author_token)
    clock.move(seconds=1)
    token, _ = await ask_to_confirm(service, "eve@example.com")
    assert await prove(service, token) != mia.author_token


async def test_a_code_works_once_for_ten_minutes_on_its_site(service, clock):
    await post_comment(service, draft(), visit())
    await add_site(service, EVERYTHING, NewSite(name="two.example", origins=["https://two.example"]))
    _, address_id = await ask_to_confirm(service)
    site_id = (await read_site(service))["id"]
    code = confirm.create_proof(service, address_id, site_id)
    for wrong in (code[:-1], "", "cp_x", service.keyring.token("proof", address_id), code.replace("cp_", "ca_")):
        with pytest.raises(Invalid):
            await confirm.exchange_proof(service, NewProof(code=wrong, site="blog"), visit())
    with pytest.raises(Invalid):
        await confirm.exchange_proof(service, NewProof(code=code, site="two.example"), visit())
    for origin in ("https://two.example", "https://evil.example"):
        with pytest.raises(OriginNotAllowed):
            await confirm.exchange_proof(service, NewProof(code=code, site="blog"), visit(origin=origin))
    await confirm.exchange_proof(service, NewProof(code=code, site="blog"), visit())
    with pytest.raises(Invalid):
        await confirm.exchange_proof(service, NewProof(code=code, site="blog"), visit())
    late = confirm.create_proof(service, address_id, site_id)
    clock.move(minutes=11)
    with pytest.raises(Invalid):
        await confirm.exchange_proof(service, NewProof(code=late, site="blog"), visit())


async def test_a_ban_by_email_holds_for_who_has_confirmed_the_address(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.TRUSTED) as service:
        first = await post_comment(service, draft(comment="First."), visit())
        token, _ = await ask_to_confirm(service)
        proven = await prove(service, token)
        ban = NewRule(kind=RuleKind.EMAIL, match=MIA, effect=Effect.SPAM)
        await manage.add_rule(service, EVERYTHING, ban)
        await post_comment(service, draft(comment="Banned.", author_token=proven), visit())
        assert (await cards(service))["Banned."].status is Status.SPAM
        await approve(service, first.id)


async def test_another_spelling_of_an_address_is_another_address(service):
    """Who owns strasse@ must not be verified as straße@, which Python's case folding takes for the same."""
    await post_comment(service, draft(), visit())
    token, _ = await ask_to_confirm(service, "strasse@example.com")
    proven = await prove(service, token)
    for number, address in enumerate(("straße@example.com", "STRASSE@example.com")):
        await post_comment(service, draft(comment=f"{number}", author_token=proven, email=address), visit())
    shown = await cards(service)
    assert (shown["0"].verified, shown["1"].verified) == (False, True)


async def get_page(client, path):
    response = await client.get(path)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Robots-Tag"] == "noindex"
    return response.status, await response.text()


async def test_opening_the_link_changes_nothing_and_the_button_leads_to_the_page(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://blog.example") as service:
        client = await aiohttp_client(application(service))
        posted = await post_comment(service, draft(thread="https://blog.example/a-page/"), visit())
        token, address_id = await ask_to_confirm(service)
        for _ in range(2):
            status, text = await get_page(client, f"/confirm/{token}")
            assert (status, "Nothing has changed yet." in text, "/a-page" in text) == (200, True, True)
        assert (await read_address(service))[0].confirmed_at is None
        done = await client.post(f"/confirm/{token}", allow_redirects=False)
        address, _, code = done.headers["Location"].partition("#confirmed=")
        assert (done.status, address) == (303, "https://blog.example/a-page/")
        answer = await client.post(
            "/v1/proofs", json={"code": code, "author_token": posted.author_token},
            headers={"Origin": "https://blog.example"},
        )  # fmt: skip
        assert (answer.status, (await answer.json())["author_token"]) == (200, posted.author_token)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://blog.example"
        again = await client.post(f"/confirm/{token}", allow_redirects=False)
        assert (again.status, "Your email address is confirmed." in await again.text()) == (200, True)
        status, text = await get_page(client, "/confirm/cc_nonsense")
        assert (status, "This link does not work" in text) == (404, True)
        assert address_id


@pytest.mark.parametrize("mode", [Mode.ALL, Mode.NONE])
@pytest.mark.parametrize(
    ("page", "code_goes_to"),
    [
        ("https://blog.example/out?to=https://evil.example", None),
        ("https://blog.example/out?to=https%3A%2F%2Fevil.example", None),
        ("https://blog.example/out?u=aHR0cHM6Ly9ldmlsLmV4YW1wbGU", None),
        ("https://blog.example/out?to=evil.example", None),
        ("https://blog.example/out/https://evil.example", None),
        ("https://blog.example/out/https%3A%2F%2Fevil.example", None),
        ("https://blog.example/out/%252F%252Fevil.example", None),
        ("https://evil.blog.example/", "https://blog.example/"),
        ("https://blog.example/2026/a-post.html", "https://blog.example/2026/a-post.html"),
        ("https://blog.example/?p=12", "https://blog.example/?p=12"),
        ("https://blog.example/%D0%B4%D0%BE%D0%BC/", "https://blog.example/%D0%B4%D0%BE%D0%BC/"),
    ],
)
async def test_a_page_gets_the_code_only_if_it_leads_nowhere_else(database_url, clock, page, code_goes_to, mode):
    """A browser keeps the fragment when a page redirects: the code would be on the website of somebody else.

    Any stranger names a page, and it is public at once if nobody moderates.
    """
    wildcards = "https://blog.example https://*.blog.example"
    async with a_service(database_url, clock, sites=wildcards, moderation=mode) as service:
        await post_comment(service, draft(thread=page), visit())
        directory = await resolve.read_directory(service)
        about = await read_latest_page(service, directory)
        assert (about.thread.published_at is None) == (mode is Mode.ALL)
        assert redirects.confirmed_address(directory, about.site, about.thread, about.page_url) == code_goes_to


@private_read
async def read_site(unit):
    return await unit.one("SELECT id FROM site ORDER BY id LIMIT 1")


@private_read
async def read_latest_page(unit, directory):
    (row,) = await unit.all("SELECT id, thread_id FROM comment ORDER BY id DESC LIMIT 1")
    comment = await comments.get(unit, row["id"])
    thread = await threads.get(unit, row["thread_id"])
    return confirm.ConfirmedPage(directory.by_id(comment.site_id), thread, comment.page_url)
