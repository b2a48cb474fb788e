"""Moderators get a mail about the first comment that waits, then digests: never too many, and none for nothing."""

import re
from itertools import pairwise

import pytest

from commentsvc import app
from commentsvc.access import moderators, preferences
from commentsvc.access.preferences import Preferences
from commentsvc.comments import reports
from commentsvc.comments.schemas import NewReport
from commentsvc.config.settings import Config
from commentsvc.delivery import moderator_mail as planning
from commentsvc.delivery import outbox
from commentsvc.domain.deliveries import MailMode
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Mode, Principal, RuleKind, Scope
from commentsvc.moderation import actions, erase
from commentsvc.moderation.schemas import Action
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import private_read, write
from commentsvc.sites.manage import add_site
from commentsvc.sites.schemas import NewSite
from commentsvc.storage import moderator_mail
from commentsvc.web.mail.renderers import RENDERERS
from commentsvc.web.mail.samples import SAMPLES
from commentsvc.web.pages.i18n import LANGUAGES, find_locale
from tests.conftest import EVERYTHING, a_service, post, visit
from tests.delivery.postbox import MAIL, Postbox

ADA = Email("ada@blog.example")


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, **MAIL) as service:
        yield service


@pytest.fixture
def postbox():
    return Postbox()


@write
async def choose(unit, moderator_id, mode, minutes=None):
    await moderator_mail.save(unit, moderator_id, mode, minutes)


@private_read
async def read_rows(unit, table):
    return await unit.all(f"SELECT * FROM {table}")


async def a_moderator(service, name="Ada", email=ADA, sites=()):
    return (await moderators.add_moderator(service, name, email, list(sites))).id


def as_moderator(moderator_id, name="Ada"):
    return Principal(Actor(ActorKind.PERSON, moderator_id, name), frozenset({Scope.MODERATE}), None, moderator_id)


async def act(service, verb, *ids, who=EVERYTHING):
    await actions.apply_action(service, who, Action(action=verb, ids=list(ids)))


async def test_the_first_comment_is_mailed_at_once_then_a_digest_comes(mailing, postbox, clock):
    await a_moderator(mailing)
    await post(mailing, "How long did it take?", title="A post about indexes")
    (mail,) = await postbox.collect(mailing)
    assert mail.to.reveal() == "ada@blog.example"
    assert mail.subject == "A comment is waiting on blog"
    assert "> How long did it take?" in mail.text
    assert "Held because: First comment" in mail.text
    assert "Mia (First comment) wrote on “A post about indexes”" in mail.text
    assert len(set(re.findall(r"https://comments\.example/m/cd_\S+", mail.text))) == 3
    assert "You get at most one mail in 30 minutes." in mail.text
    for number in range(4):
        clock.move(minutes=5)
        await post(mailing, f"Another {number}.", address=f"192.0.2.{number}")
        assert await postbox.collect(mailing) == []
    assert len(await read_rows(mailing, "parcel")) == 1, "one digest waits, whatever comes"
    clock.move(minutes=11)
    (digest,) = await postbox.collect(mailing)
    assert digest.subject == "5 comments are waiting on blog"
    assert "5 on “A post about indexes”" in digest.text
    clock.move(hours=3)
    assert await postbox.collect(mailing) == [], "nothing new, no mail"
    await post(mailing, "Much later.", address="203.0.113.1")
    (mail,) = await postbox.collect(mailing)
    assert "Much later." in mail.text
    assert "5 more comments are waiting" in mail.text


async def test_a_mail_and_its_page_say_that_a_name_is_a_known_commenters_of_another_address(mailing, postbox, clock):
    for number in range(3):
        await act(mailing, ActionVerb.APPROVE, await post(mailing, f"Mine {number}.", name="Sam Lee"))
    await postbox.collect(mailing)
    await a_moderator(mailing)
    clock.move(hours=1)
    await post(mailing, "Not his.", name="S\u0430m Lee", email="sam.l@mail.example", address="192.0.2.1")
    (mail,) = await postbox.collect(mailing)
    warning = "Same name as a commenter with 3 approved comments, other address"
    assert warning in mail.text
    assert warning in mail.html


async def test_two_mails_are_never_closer_than_the_minutes(mailing, postbox, clock):
    await a_moderator(mailing)
    sent = []
    for number in range(40):
        await post(mailing, f"Comment {number}.", address=f"192.0.{number}.1")
        sent += [clock.time for _ in await postbox.collect(mailing)]
        clock.move(minutes=7)
    assert len(sent) >= 7
    assert all((later - earlier).total_seconds() >= 1800 for earlier, later in pairwise(sent))


async def test_each_moderator_chooses_when(mailing, postbox, clock):
    for name, mode, minutes in (("Ada", "now", 5), ("Bo", "digest", 60), ("Cy", "off", None)):
        await choose(mailing, await a_moderator(mailing, name, Email(f"{name}@blog.example")), MailMode(mode), minutes)
    await a_moderator(mailing, "Di", None)
    sent = {}
    for minute in range(0, 66, 2):
        if minute in {0, 2}:
            await post(mailing, f"Comment {minute}.", address=f"192.0.2.{minute}")
        for mail in await postbox.collect(mailing):
            sent.setdefault(mail.to.reveal(), []).append((minute, "digest" if "/m/cd_" not in mail.text else "now"))
        clock.move(minutes=2)
    assert sent == {"Ada@blog.example": [(0, "now"), (6, "digest")], "Bo@blog.example": [(60, "digest")]}


async def test_a_moderator_hears_of_their_own_sites_only(mailing, postbox):
    for name in ("one", "two"):
        await add_site(mailing, EVERYTHING, NewSite(name=name, origins=[f"https://{name}.example"]))
    await a_moderator(mailing, "Ada", ADA, ["one"])
    await a_moderator(mailing, "Bo", Email("bo@blog.example"), ["two"])
    await a_moderator(mailing, "Cy", Email("cy@blog.example"))
    await post(mailing, "On the first.", site="one", thread="https://one.example/a/")
    mails = await postbox.collect(mailing)
    assert sorted(mail.to.reveal() for mail in mails) == ["ada@blog.example", "cy@blog.example"]
    assert {mail.subject for mail in mails} == {"A comment is waiting on one"}


async def test_spam_the_trash_and_what_is_published_are_never_mailed(mailing, postbox):
    await a_moderator(mailing)
    await manage.add_rule(mailing, EVERYTHING, NewRule(kind=RuleKind.EMAIL, match="spam@example.com", effect="spam"))
    await post(mailing, "Pills for all.", email="spam@example.com")
    hidden = await post(mailing, "Rude words.", address="192.0.2.1")
    shown = await post(mailing, "Lovely words.", address="192.0.2.2")
    await act(mailing, ActionVerb.TRASH, hidden)
    await act(mailing, ActionVerb.APPROVE, shown)
    assert await postbox.collect(mailing) == []
    assert await read_rows(mailing, "event") == []


async def test_a_comment_that_was_decided_in_time_is_not_mailed(mailing, postbox, clock):
    await a_moderator(mailing)
    ids = [await post(mailing, f"Comment {number}.", address=f"192.0.2.{number}") for number in range(2)]
    postbox.away = True
    await postbox.collect(mailing)
    await act(mailing, ActionVerb.APPROVE, ids[0])
    postbox.away = False
    clock.move(minutes=2)
    (mail,) = await postbox.collect(mailing)
    assert "Comment 1." in mail.text, "the other comment of the same mail"
    await act(mailing, ActionVerb.APPROVE, ids[1])
    await post(mailing, "A third.", address="192.0.2.3")
    await postbox.collect(mailing)
    (third,) = [row["id"] for row in await read_rows(mailing, "comment") if row["text"] == "A third."]
    await act(mailing, ActionVerb.APPROVE, third)
    clock.move(hours=1)
    assert await postbox.collect(mailing) == [], "nothing waits when the digest is due"


async def test_a_comment_that_is_erased_takes_the_mail_about_others_not_along(mailing, postbox):
    await a_moderator(mailing)
    first = await post(mailing, "What is an index?")
    await post(mailing, "How long did it take?")
    await outbox.expand_events(mailing, app.join_outlets(mailing.config).fan_outs)
    await act(mailing, ActionVerb.TRASH, first)
    await erase.erase_permanently(mailing, EVERYTHING, first)
    (mail,) = await postbox.collect(mailing)
    assert "> How long did it take?" in mail.text


async def test_a_moderators_own_decision_is_mailed_to_the_others(mailing, postbox):
    ada = await a_moderator(mailing)
    await a_moderator(mailing, "Bo", Email("bo@blog.example"))
    spam = await post(mailing, "Hello.")
    await act(mailing, ActionVerb.SPAM, spam)
    await postbox.collect(mailing)
    await act(mailing, ActionVerb.RESTORE, spam, who=as_moderator(ada))
    assert [mail.to.reveal() for mail in await postbox.collect(mailing)] == ["bo@blog.example"]


async def test_reports_that_hold_a_comment_are_mailed_and_others_come_in_a_digest(mailing, postbox, clock):
    await a_moderator(mailing)
    await choose(mailing, (await read_rows(mailing, "moderator"))[-1]["id"], MailMode.NOW, 5)
    shown = await post(mailing, "Rude words.")
    await act(mailing, ActionVerb.APPROVE, shown)
    await postbox.collect(mailing)
    await reports.report_comment(mailing, shown, NewReport(reason="rude"), visit(address="192.0.2.9"))
    (mail,) = await postbox.collect(mailing)
    assert mail.subject == "1 comment was reported"
    assert "/m/cd_" not in mail.text
    assert "https://comments.example/moderate?status=reported" in mail.text
    clock.move(minutes=6)
    await act(mailing, ActionVerb.APPROVE, shown)
    assert await postbox.collect(mailing) == []


async def test_a_mail_has_nothing_of_the_commenter_but_name_and_text(mailing, postbox):
    await a_moderator(mailing)
    name, text = "Bcc: x@evil.example", "See [my shop](https://shop.example/pills) and https://www.shop.example now."
    await post(
        mailing, text, name=name, email="mia@secret.example", address="198.51.100.77", website="https://w.example/"
    )
    (mail,) = await postbox.collect(mailing)
    for part in (mail.text, mail.html, mail.subject, mail.sender_name or "", mail.unsubscribe_url):
        assert "secret.example" not in part
        assert "198.51.100" not in part
        assert "w.example" not in part
    assert "Bcc" not in mail.subject
    assert mail.html.count("href=") == mail.html.count('href="https://comments.example/')
    assert "my shop (shop[.]example/pills)" in mail.text
    assert mail.unsubscribe_url.startswith("https://comments.example/m/stop/cu_")
    assert mail.one_click


async def test_a_name_or_title_in_another_direction_does_not_turn_the_line_around(mailing, postbox):
    await a_moderator(mailing)
    await post(mailing, "Hello.", name="עמר", title="مرحبا (1)")
    (mail,) = await postbox.collect(mailing)
    assert "\u2068עמר\u2069 (First comment) wrote on “\u2068مرحبا (1)\u2069”" in mail.text


async def test_a_long_comment_is_cut(mailing, postbox):
    await a_moderator(mailing)
    await post(mailing, "words " * 1500)
    (mail,) = await postbox.collect(mailing)
    assert len(mail.text) < 4000
    assert "…" in mail.text


async def test_a_mail_is_in_the_language_of_the_moderator(mailing, postbox):
    ada = await a_moderator(mailing)
    await preferences.save_preferences(mailing, as_moderator(ada), Preferences("de"))
    await post(mailing, "Hallo.")
    (mail,) = await postbox.collect(mailing)
    assert mail.language == "de"
    assert "Erster Kommentar" in mail.text


async def test_every_attempt_has_the_same_links(mailing, postbox, clock):
    await a_moderator(mailing)
    await post(mailing, "Hello.")
    seen = []
    for away in (True, True, False):
        postbox.away = away
        kept = []

        async def deliver(service, parcel, kept=kept):
            kept.append(await RENDERERS[parcel.kind](service, parcel))
            return await Postbox.deliver(postbox, service, parcel)

        postbox.deliver = deliver
        await postbox.collect(mailing)
        seen += [re.findall(r"/m/\S+", mail.text) for mail in kept]
        clock.move(hours=1)
    assert len(seen) == 3
    assert seen[0] == seen[1] == seen[2]


async def test_after_a_long_outage_of_the_mail_server_one_digest_comes(mailing, postbox, clock):
    await a_moderator(mailing)
    postbox.away = True
    for number in range(60):
        await post(mailing, f"Comment {number}.", address=f"192.0.{number}.1")
        await postbox.collect(mailing)
        clock.move(minutes=17)
    waiting = await read_rows(mailing, "parcel")
    assert len(waiting) <= 4
    postbox.away = False
    mails = []
    for _ in range(20):
        mails += await postbox.collect(mailing)
        clock.move(hours=1)
    assert len(mails) <= 3
    assert "60 comments are waiting on blog" in [mail.subject for mail in mails]


async def test_a_comment_that_comes_while_a_digest_is_sent_is_in_the_next_one(mailing, postbox, clock):
    await a_moderator(mailing)
    await post(mailing, "One.")
    await postbox.collect(mailing)
    await post(mailing, "Two.", address="192.0.2.2")
    await postbox.collect(mailing)
    clock.move(minutes=31)
    plain = postbox.deliver

    async def deliver(service, parcel):
        outcome = await plain(service, parcel)
        if len(postbox.mails) == 2:  # the digest is written, but not delivered yet
            await post(service, "Three.", address="192.0.2.3")
            await outbox.expand_events(service, [planning.mail_moderators])
        return outcome

    postbox.deliver = deliver
    (digest,) = await postbox.collect(mailing)
    assert digest.subject == "2 comments are waiting on blog"
    postbox.deliver = plain
    clock.move(minutes=31)
    (digest,) = await postbox.collect(mailing)
    assert digest.subject == "3 comments are waiting on blog"


async def test_two_digests_that_failed_arrive_as_one(mailing, postbox, clock):
    await a_moderator(mailing)
    for number in range(2):
        await post(mailing, f"Comment {number}.", address=f"192.0.2.{number}")
        await postbox.collect(mailing)
    clock.move(minutes=31)
    postbox.away, plain = True, postbox.deliver

    async def deliver(service, parcel):
        outcome = await plain(service, parcel)
        if postbox.tried == 2:
            await post(service, "While it is tried.", address="192.0.2.3")
            await outbox.expand_events(service, [planning.mail_moderators])
        return outcome

    postbox.deliver = deliver
    await postbox.collect(mailing)
    assert [row["kind"] for row in await read_rows(mailing, "parcel")] == ["held_digest"] * 2
    for _ in range(4):
        clock.move(minutes=15)
        await postbox.collect(mailing)
    postbox.away = False
    clock.move(hours=2)
    assert [mail.subject for mail in await postbox.collect(mailing)] == ["3 comments are waiting on blog"]
    assert await read_rows(mailing, "parcel") == []


async def test_a_removed_moderator_leaves_no_mail_no_links_and_no_preferences(mailing, postbox):
    ada = await a_moderator(mailing)
    await choose(mailing, ada, MailMode.NOW, 5)
    await post(mailing, "One.")
    await postbox.collect(mailing)
    await post(mailing, "Two.", address="192.0.2.2")
    await postbox.collect(mailing)
    assert len(await read_rows(mailing, "parcel")) == len(await read_rows(mailing, "decision_link")) == 1
    await moderators.remove_moderator(mailing, "Ada")
    for table in ("parcel", "decision_link", "moderator_mail"):
        assert await read_rows(mailing, table) == []


async def test_erasing_a_comment_deletes_its_links(mailing, postbox):
    await a_moderator(mailing)
    gone = await post(mailing, "One.")
    await postbox.collect(mailing)
    await act(mailing, ActionVerb.TRASH, gone)
    await erase.erase_permanently(mailing, EVERYTHING, gone)
    assert await read_rows(mailing, "decision_link") == []


async def test_a_site_without_held_comments_sends_nothing(database_url, clock, postbox):
    async with a_service(database_url, clock, moderation=Mode.NONE, **MAIL) as service:
        await a_moderator(service)
        await post(service, "Published at once.")
        assert await postbox.collect(service) == []


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", ["held", "held_digest"])
def test_every_language_can_show_an_example(name, lang):
    mail = SAMPLES[name](Config(public_url="https://comments.example"), find_locale(lang))
    assert f'lang="{lang}"' in mail.html
    assert "%(" not in mail.text + mail.html + mail.subject
