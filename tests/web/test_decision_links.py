"""A moderator decides from a mail: the link shows, the button acts, once, and nobody else can."""

import asyncio
import re
from http import HTTPStatus

import pytest

from commentsvc.access import moderators, preferences
from commentsvc.access.mail_stop import create_stop_token
from commentsvc.access.preferences import Preferences
from commentsvc.access.schemas import ModeratorChange
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb, Actor, ActorKind
from commentsvc.moderation import actions, decision_links, erase, queue, undo
from commentsvc.moderation.schemas import Action, CommentUpdate
from commentsvc.operations import maintenance
from commentsvc.service import write
from commentsvc.sites.manage import add_site
from commentsvc.sites.schemas import NewSite
from commentsvc.web.mail.renderers import RENDERERS
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING, a_service, post
from tests.delivery.postbox import MAIL, Postbox
from tests.delivery.test_moderator_mail import ADA, a_moderator, as_moderator, read_rows

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
SENDS = BROWSER | {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
TABLES = ("comment", "decision", "action", "action_item", "decision_link", "moderator_mail", "audit", "parcel", "event")


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, **MAIL) as service:
        yield service


@pytest.fixture
async def browser(mailing, aiohttp_client):
    return await aiohttp_client(application(mailing))


@pytest.fixture
async def mailed(mailing):
    """Post a comment that is mailed to Ada: return its id and the mail's links by verb."""
    ada = await a_moderator(mailing)

    async def hold(text="How long did it take?", **more):
        comment = await post(mailing, text, title="A post", **more)
        (mail,) = await Postbox().collect(mailing)
        return comment, links_of(mail)

    hold.ada = ada
    return hold


def links_of(mail, own="https://comments.example"):
    urls = re.findall(rf"{re.escape(own)}(/m/cd_\S+)", mail.text)
    return dict(zip(("approve", "spam", "trash"), urls, strict=True))


async def read_everything(service):
    return {table: [tuple(row) for row in await read_rows(service, table)] for table in TABLES}


async def show(browser, path, status=HTTPStatus.OK, **headers):
    answer = await browser.get(path, headers=BROWSER | headers)
    page = await answer.text()
    assert answer.status == status, page
    return page


async def test_the_page_of_a_link_warns_of_a_known_name_with_another_address(mailing, mailed, browser):
    for number in range(3):
        known = await post(mailing, f"Mine {number}.", name="Sam Lee")
        await actions.apply_action(mailing, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[known]))
    _, links = await mailed("Not his.", name="Sam Lee", email="sam.l@mail.example")
    assert "Same name as a commenter with 3 approved comments, other address" in await show(browser, links["approve"])


async def press(browser, path, act, *, page=None, status=HTTPStatus.OK, **headers):
    """Press a button of the page; return the page that follows."""
    page = page or await show(browser, path)
    assert f'value="{act}"' in page
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    return await send(browser, path, status, headers, act=act, **fields)


async def send(browser, path, status, headers, **fields):
    answer = await browser.post(path, data=fields, headers=SENDS | headers)
    page = await answer.text()
    assert answer.status == status, page
    return page


async def status_of(service, comment):
    return (await queue.get_comment_detail(service, EVERYTHING, comment)).status.value


async def test_opening_the_links_changes_nothing_however_often(mailing, browser, mailed):
    comment, links = await mailed()
    before = await read_everything(mailing)
    to_stop = stop_link(mailing, mailed.ada)
    for path in [*links.values(), to_stop] * 3:
        for method in ("GET", "HEAD"):
            answer = await browser.request(method, path, headers={"User-Agent": "scanner"})
            assert answer.status == HTTPStatus.OK
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Robots-Tag"] == "noindex"
            assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert await read_everything(mailing) == before
    assert await status_of(mailing, comment) == "pending"


def stop_link(service, ada):
    return f"/m/stop/{create_stop_token(service, ada)}"


async def test_the_page_shows_the_comment_and_asks(browser, mailed):
    _, links = await mailed(email="mia@secret.example", address="198.51.100.77")
    page = await show(browser, links["approve"])
    assert "Approve this comment?" in page
    assert "Nothing has changed yet." in page
    assert "How long did it take?" in page
    assert "First comment" in page
    assert "For Ada, by mail. Works once, until 29 Nov 2026." in page
    assert "secret.example" not in page
    assert "198.51.100" not in page
    assert re.findall(r'value="(approve|spam|trash)" class="\w+( main)?', page) == [
        ("approve", " main"),
        ("spam", ""),
        ("trash", ""),
    ]
    assert "Mark this as spam?" in await show(browser, links["spam"])
    assert "Move this to the trash?" in await show(browser, links["trash"])


@pytest.mark.parametrize(("verb", "status"), [("approve", "approved"), ("spam", "spam"), ("trash", "trash")])
async def test_the_button_decides_once_for_the_moderator(mailing, browser, mailed, verb, status):
    comment, links = await mailed()
    page = await press(browser, links[verb], verb)
    assert await status_of(mailing, comment) == status
    assert 'value="undo"' in page
    assert "The links in this mail no longer work." in page
    detail = await queue.get_comment_detail(mailing, EVERYTHING, comment)
    assert detail.decisions[-1].actor == Actor(ActorKind.PERSON, mailed.ada, "Ada")
    (entry,) = [row for row in await read_rows(mailing, "audit") if row["verb"] == verb]
    assert entry["actor_id"] == mailed.ada
    for path in links.values():
        again = await show(browser, path)
        assert not re.findall(r'value="(approve|spam|trash)"', again), "its siblings are used up too"
        await send(browser, path, HTTPStatus.CONFLICT, {}, act="trash", version="2")
    assert await status_of(mailing, comment) == status


async def test_another_button_of_the_page_works_too(mailing, browser, mailed):
    comment, links = await mailed()
    await press(browser, links["approve"], "trash")
    assert await status_of(mailing, comment) == "trash"


async def test_a_decision_can_be_undone_and_the_links_stay_used(mailing, browser, mailed):
    comment, links = await mailed()
    await press(browser, links["spam"], "spam")
    page = await press(browser, links["spam"], "undo")
    assert "<h1>It is waiting again.</h1>" in page
    assert page.count("It is waiting again.") == 2  # with the title of the window
    assert await status_of(mailing, comment) == "pending"
    assert "<button" not in page
    await send(browser, links["spam"], HTTPStatus.CONFLICT, {}, act="approve", version="3")
    await send(browser, links["spam"], HTTPStatus.CONFLICT, {}, act="undo", version="3")
    assert await status_of(mailing, comment) == "pending"


async def test_who_comes_late_reads_who_decided_and_can_undo_that(mailing, browser, mailed):
    comment, links = await mailed()
    open_page = await show(browser, links["spam"])
    bo = as_moderator(await a_moderator(mailing, "Bo", None), "Bo")
    await actions.apply_action(mailing, bo, Action(action=ActionVerb.APPROVE, ids=[comment]))
    page = await show(browser, links["spam"])
    assert "Already approved" in page
    assert "Bo approved this comment." in page
    assert "22 Nov 2026, 16:02 UTC" in page
    assert "Your link changed nothing." in page
    late = await press(browser, links["spam"], "spam", page=open_page, status=HTTPStatus.CONFLICT)
    assert "Already approved" in late
    assert await status_of(mailing, comment) == "approved"
    page = await press(browser, links["spam"], "undo")
    assert "It is waiting again." in page
    assert await status_of(mailing, comment) == "pending"


async def test_undoing_what_somebody_did_to_many_comments_changes_one(mailing, browser, mailed):
    comment, links = await mailed()
    other = await post(mailing, "Another.", address="192.0.2.1")
    bo = as_moderator(await a_moderator(mailing, "Bo", None), "Bo")
    await actions.apply_action(mailing, bo, Action(action=ActionVerb.SPAM, ids=[comment, other]))
    page = await show(browser, links["approve"])
    assert "Already marked as spam" in page
    assert "Undo Bo’s decision" in page
    await press(browser, links["approve"], "undo")
    assert (await status_of(mailing, comment), await status_of(mailing, other)) == ("pending", "spam")


async def test_an_edited_comment_is_shown_before_anything_happens(mailing, browser, mailed, clock):
    comment, links = await mailed()
    old = await show(browser, links["approve"])
    clock.move(minutes=1)
    await edit(mailing, comment, "Buy pills.")
    page = await press(browser, links["approve"], "approve", page=old, status=HTTPStatus.CONFLICT)
    assert await status_of(mailing, comment) == "pending"
    assert "Buy pills." in page
    assert "This is the new text." in page
    await press(browser, links["approve"], "approve", page=page)
    assert await status_of(mailing, comment) == "approved"


async def edit(service, comment, text):
    await actions.update_comment(service, EVERYTHING, comment, range(1, 100), CommentUpdate(comment=text))


async def test_all_from_a_network_are_spam_at_one_tap_and_undone_at_one(mailing, browser, mailed, clock):
    ids = [await post(mailing, f"Pills {number}.", thread=f"/{number}/", name=f"P{number}") for number in range(6)]
    other = await post(mailing, "Honest words.", address="192.0.2.200")
    comment, links = await mailed("Pills all.", name="P7")
    (row,) = await read_rows(mailing, "decision_link")
    clock.move(minutes=1)
    page = await show(browser, links["spam"])
    assert row["comment_id"] in {comment, *ids}
    assert "Spam, with all 7 from this network" in page
    assert "from this network" not in await show(browser, links["approve"])
    clock.move(minutes=1)
    late = await post(mailing, "Pills late.", thread="/late/", name="P8")
    done = await press(browser, links["spam"], "network", page=page)
    assert "7 comments marked as spam." in done
    assert [await status_of(mailing, one) for one in (*ids, comment)] == ["spam"] * 7
    assert await status_of(mailing, other) == "pending"
    assert await status_of(mailing, late) == "pending", "it came after the page was shown"
    await press(browser, links["spam"], "undo")
    assert [await status_of(mailing, one) for one in (*ids, comment)] == ["pending"] * 7


async def test_a_network_with_many_comments_is_swept_in_pieces(mailing, browser, mailed):
    for number in range(130):
        await post(mailing, f"Pills {number}.", thread=f"/{number}/", name=f"P{number}")
    _, links = await mailed("Pills all.", name="P")
    assert "131 comments marked as spam." in await press(browser, links["spam"], "network")


async def test_links_end_after_seven_days(mailing, browser, mailed, clock):
    comment, links = await mailed()
    page = await show(browser, links["approve"])
    clock.move(days=7, seconds=1)
    assert "This link does not work" in await show(browser, links["approve"], HTTPStatus.NOT_FOUND)
    await press(browser, links["approve"], "approve", page=page, status=HTTPStatus.NOT_FOUND)
    assert await status_of(mailing, comment) == "pending"


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_links_of_a_mail_that_waited_for_the_service_work_for_seven_days(mailing, browser, clock):
    await a_moderator(mailing)
    await post(mailing, "A question.")
    postbox = Postbox()
    postbox.away = True
    assert await postbox.collect(mailing) == []
    clock.move(days=8)
    postbox.away = False
    (mail,) = await postbox.collect(mailing)
    clock.move(days=6)
    await show(browser, links_of(mail)["approve"])


async def test_links_of_a_wrong_clock_end_some_days_after_it_is_right(mailing, browser, mailed, clock):
    await maintenance._clean_up(mailing)
    clock.move(days=365)
    _, links = await mailed()
    clock.move(days=-365)
    await maintenance._clean_up(mailing)
    await show(browser, links["approve"])
    clock.move(days=8, seconds=1)
    assert "This link does not work" in await show(browser, links["approve"], HTTPStatus.NOT_FOUND)


async def test_a_moderator_who_was_removed_or_lost_the_comment_learns_nothing(mailing, browser, mailed):
    comment, links = await mailed()
    page = await show(browser, links["approve"])
    await moderators.remove_moderator(mailing, "Ada")
    gone = await show(browser, links["approve"], HTTPStatus.NOT_FOUND)
    assert "How long" not in gone
    assert "Ada" not in gone
    await press(browser, links["approve"], "approve", page=page, status=HTTPStatus.NOT_FOUND)
    assert await status_of(mailing, comment) == "pending"


async def test_a_second_copy_of_a_mail_leaves_the_links_of_the_first_one_alone(mailing, browser):
    """A worker that dies after the mail was accepted sends it again, perhaps about the next comment."""
    await a_moderator(mailing)
    first, second = await post(mailing, "The first."), await post(mailing, "The second.")
    twice = Twice()
    await twice.collect(mailing)
    (parcel,) = twice.parcels
    links = links_of(twice.mails[0])
    assert "The first." in await show(browser, links["approve"])
    assert "Undo" in await press(browser, links["approve"], "approve")
    again = links_of(await RENDERERS[parcel.kind](mailing, parcel))
    page = await show(browser, links["approve"])
    assert ("The first." in page, "The second." in page) == (True, False)
    await press(browser, again["spam"], "spam")
    assert (await status_of(mailing, first), await status_of(mailing, second)) == ("approved", "spam")


class Twice(Postbox):
    """A postbox that keeps the parcels too."""

    def __init__(self):
        super().__init__()
        self.parcels = []

    async def deliver(self, service, parcel):
        self.parcels.append(parcel)
        return await super().deliver(service, parcel)


async def test_links_in_the_mailbox_that_a_moderator_left_decide_nothing(mailing, browser, mailed):
    comment, links = await mailed()
    page = await show(browser, links["approve"])
    change = ModeratorChange(email=Email("ada@new.example"))
    await moderators.change_moderator(mailing, EVERYTHING, mailed.ada, change)
    assert "How long" not in await show(browser, links["approve"], HTTPStatus.NOT_FOUND)
    await press(browser, links["approve"], "approve", page=page, status=HTTPStatus.NOT_FOUND)
    assert await status_of(mailing, comment) == "pending"


async def test_a_moderator_of_another_site_cannot_use_a_link(mailing, browser):
    for name in ("one", "two"):
        await add_site(mailing, EVERYTHING, NewSite(name=name, origins=[f"https://{name}.example"]))
    ada = await a_moderator(mailing, "Ada", ADA, ["one", "two"])
    comment = await post(mailing, "On the first.", site="one", thread="https://one.example/a/")
    (mail,) = await Postbox().collect(mailing)
    path = links_of(mail)["approve"]
    page = await show(browser, path)
    await lose_site(mailing, ada)
    await show(browser, path, HTTPStatus.NOT_FOUND)
    await press(browser, path, "approve", page=page, status=HTTPStatus.NOT_FOUND)
    assert await status_of(mailing, comment) == "pending"


@write
async def lose_site(unit, moderator):
    of_one = "(SELECT id FROM site WHERE name = 'one')"
    await unit.run(f"DELETE FROM moderator_site WHERE site_id = {of_one} AND moderator_id = :id", id=moderator)


async def test_an_erased_comment_has_no_page(mailing, browser, mailed):
    comment, links = await mailed()
    await actions.apply_action(mailing, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[comment]))
    await erase.erase_permanently(mailing, EVERYTHING, comment)
    assert "How long" not in await show(browser, links["approve"], HTTPStatus.NOT_FOUND)


async def test_no_other_token_is_a_link(mailing, browser, mailed, clock):
    comment, links = await mailed()
    (row,) = await read_rows(mailing, "decision_link")
    until = clock.time.replace(year=2027)
    forged = [
        mailing.keyring.token("decide", row["id"], until),
        mailing.keyring.token("decide", row["id"], until, site_id="erase"),
        mailing.keyring.token("decide", comment, until, site_id="approve"),
        mailing.keyring.token("receipt", row["id"], until, site_id="approve"),
        links["approve"].removeprefix("/m/").swapcase(),
        "cd_nonsense",
    ]
    for token in forged:
        for path in (f"/m/{token}", f"/m/stop/{token}"):
            await show(browser, path, HTTPStatus.NOT_FOUND)
            await send(browser, path, HTTPStatus.NOT_FOUND, {}, act="approve", version="1")
    await send(browser, (stop_link(mailing, mailed.ada)).replace("stop/", ""), HTTPStatus.NOT_FOUND, {}, act="spam")
    assert await status_of(mailing, comment) == "pending"


async def test_guessing_links_is_limited(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, **MAIL | {"rate_limit": "2/60"}) as service:
        browser = await aiohttp_client(application(service))
        statuses = [(await browser.get("/m/cd_guess", headers=BROWSER)).status for _ in range(25)]
    assert statuses[0] == HTTPStatus.NOT_FOUND
    assert statuses[-1] == HTTPStatus.TOO_MANY_REQUESTS


async def test_another_website_cannot_press_the_button(mailing, browser, mailed):
    comment, links = await mailed()
    foreign = (
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
    )
    for headers in foreign:
        await press(browser, links["approve"], "approve", status=HTTPStatus.FORBIDDEN, **headers)
    assert await status_of(mailing, comment) == "pending"


async def test_two_presses_at_once_are_one_decision(mailing, browser, mailed):
    _, links = await mailed()
    opened = [decision_links.open_link(mailing, links[verb].removeprefix("/m/")) for verb in ("approve", "spam")]
    first, second = [await one for one in opened]
    results = await asyncio.gather(
        decision_links.decide(mailing, first, ActionVerb.APPROVE, first.comment.version),
        decision_links.decide(mailing, second, ActionVerb.SPAM, second.comment.version),
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 1
    assert len(await read_rows(mailing, "action")) == 1


async def test_a_link_stops_the_mails_without_a_sign_in(mailing, browser, mailed):
    await mailed()
    path = stop_link(mailing, mailed.ada)
    assert "Stop these mails" in await show(browser, path)
    answer = await browser.post(path, data={"List-Unsubscribe": "One-Click"}, headers={"User-Agent": "a mail program"})
    assert answer.status == HTTPStatus.OK
    assert "You get no more mails" in await show(browser, path)
    await post(mailing, "Another.", address="192.0.2.1")
    assert await Postbox().collect(mailing) == []


async def test_the_page_is_in_the_language_of_the_moderator(mailing, browser, mailed):
    _, links = await mailed()
    assert '<html lang="ar" dir="rtl">' in await show(browser, links["approve"], **{"Accept-Language": "ar"})
    await preferences.save_preferences(mailing, as_moderator(mailed.ada), Preferences("de"))
    assert '<html lang="de" dir="ltr">' in await show(browser, links["approve"], **{"Accept-Language": "ar"})


async def test_the_links_of_a_decided_comment_work_again_once_it_waits(mailing, browser, mailed):
    comment, links = await mailed()
    result = await actions.apply_action(mailing, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[comment]))
    await undo.undo_action(mailing, EVERYTHING, result.id)
    await press(browser, links["approve"], "approve")
    assert await status_of(mailing, comment) == "approved"
