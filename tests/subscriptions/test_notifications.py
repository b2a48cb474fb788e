"""Who gets a mail about a new comment, and when."""

import msgspec
import pytest

from commentsvc.access import moderators
from commentsvc.comments.post import post_comment
from commentsvc.delivery import outbox
from commentsvc.domain.deliveries import Channel, Outcome, ParcelState
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import Actor, ActorKind, Decision, Mode, Status
from commentsvc.moderation import actions, erase, replies, undo
from commentsvc.moderation.schemas import Action, NewReply
from commentsvc.operations import maintenance
from commentsvc.service import private_read, write
from commentsvc.storage import addresses, decisions, verified_authors
from commentsvc.subscriptions import notifications
from tests.conftest import EVERYTHING, OLD_SECRET, SECRET, draft, post, visit
from tests.moderation.test_merge import merge_into
from tests.subscriptions.subscribing import (
    a_mailing_service,
    change,
    expand,
    read_parcels,
    subscribe,
    subscribe_before_telling,
    take_mails,
    told,
)

REPLY, DIGEST, APPROVED = "new_comment", "daily_digest", "approved"
ANA, MIA, NOA = "ana@example.com", "mia@example.com", "noa@example.com"


@pytest.fixture
async def service(database_url, clock):
    """A service that publishes comments at once."""
    async with a_mailing_service(database_url, clock, moderation=Mode.NONE, nesting=1) as service:
        yield service


@pytest.fixture
async def careful(database_url, clock):
    """A service that holds every comment."""
    async with a_mailing_service(database_url, clock, moderation=Mode.ALL) as service:
        yield service


async def decide(service, verb, *ids):
    return await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids)))


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_who_confirmed_while_the_clock_was_ahead_is_told_about_the_next_comment(service, clock):
    about = await post(service, "A question?")
    await maintenance._clean_up(service)
    clock.move(days=365)
    await subscribe(service, ANA, "thread", about)
    clock.move(days=-365)
    await maintenance._clean_up(service)
    clock.move(hours=1)
    await post(service, "An answer.", email="eve@example.com")
    assert await told(service) == [(ANA, REPLY)]


async def test_subscribers_to_replies_to_a_page_and_to_a_site_are_told(service):
    question = await post(service, "A question?", email=MIA)
    elsewhere = await post(service, "Another page.", thread="/other/", email="ben@example.com")
    for email, scope, about in (
        (MIA, "replies", question), (ANA, "thread", question), (NOA, "site", elsewhere),
        ("other@example.com", "thread", elsewhere), ("ben@example.com", "replies", elsewhere),
    ):  # fmt: skip
        await subscribe(service, email, scope, about)
    await post(service, "An answer.", parent=question, email="eve@example.com")
    assert await told(service) == [(ANA, REPLY), (MIA, REPLY), (NOA, REPLY)]


async def test_only_the_commenter_who_is_answered_is_told_of_a_reply(service):
    question = await post(service, "A question?", email=MIA)
    answer = await post(service, "An answer.", parent=question, email=ANA)
    await subscribe(service, MIA, "replies", question)
    await subscribe(service, ANA, "replies", answer)
    deeper = await post(service, "To the answer, where nesting ends.", parent=answer, email=NOA)
    assert (await read_comment(service, deeper))["parent_id"] == question
    assert await told(service) == [(ANA, REPLY)]


@private_read
async def read_comment(unit, comment_id):
    return await unit.one("SELECT * FROM comment WHERE id = :id", id=comment_id)


async def test_an_address_with_several_subscriptions_gets_one_mail_by_the_closest(service):
    question = await post(service, "A question?", email=MIA)
    for scope in ("site", "thread", "replies"):
        await subscribe(service, MIA, scope, question)
    await post(service, "An answer.", parent=question, email=ANA)
    assert await told(service) == [(MIA, REPLY)]
    [mail] = await take_mails(service)
    assert mail.subject == "New reply to your comment on blog"


async def test_nobody_is_told_of_what_was_public_before_they_confirmed(service, clock):
    question = await post(service, "A question?", email=MIA)
    await expand(service)
    await post(service, "An answer.", parent=question)
    clock.move(seconds=1)
    await subscribe_before_telling(service, ANA, "site", question)
    assert await told(service) == []


async def test_nobody_is_told_before_they_confirmed_or_after_they_are_suppressed(service):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, ANA, "thread", question, confirmed=False)
    await subscribe(service, NOA, "thread", question)
    noa = await change(service, addresses.find, service.keyring.digests(Email(NOA)))
    await change(service, addresses.suppress, noa.id, "bounce", service.now())
    await post(service, "An answer.", parent=question)
    assert await told(service) == []


async def test_commenters_are_not_told_of_their_own_comments(service):
    first = await post_comment(service, draft(comment="A question?", email=MIA), visit())
    for scope in ("replies", "thread", "site"):
        await subscribe(service, MIA, scope, first.id)
    await post(service, "I found it.", parent=first.id, email="MIA@example.com")  # with their address
    own = draft(comment="Really.", parent=first.id, email=NOA, author_token=first.author_token)
    await post_comment(service, own, visit())  # from the same browser, with another address
    assert await told(service) == []
    await post(service, "An answer.", parent=first.id, email=ANA)
    assert await told(service) == [(MIA, REPLY)]


async def test_commenters_with_a_confirmed_address_are_not_told_of_what_they_write_without_it(service):
    first = await post_comment(service, draft(comment="A question?", email=MIA), visit())
    await subscribe(service, ANA, "thread", first.id)
    ana = await change(service, addresses.find, service.keyring.digests(Email(ANA)))
    author = await read_comment(service, first.id)
    await change(service, verified_authors.add, author["author_id"], ana.id, author["site_id"], service.now())
    await post_comment(service, draft(comment="More.", email=NOA, author_token=first.author_token), visit())
    assert await told(service) == []


async def test_commenters_are_recognised_by_an_address_that_an_older_key_encrypted(database_url, clock):
    async with a_mailing_service(database_url, clock, secrets=[OLD_SECRET], moderation=Mode.NONE) as before:
        question = await post(before, "A question?", email=MIA)
        await subscribe(before, MIA, "thread", question)
    async with a_mailing_service(database_url, clock, secrets=[SECRET, OLD_SECRET], moderation=Mode.NONE) as service:
        await expand(service)
        await post(service, "I found it.", parent=question, email=MIA)
        assert await told(service) == []


async def test_moderators_are_not_told_of_their_own_replies(service):
    staff = await moderators.add_moderator(service, "Noa", Email(NOA), [])
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, NOA, "site", question)
    await subscribe(service, MIA, "replies", question)
    await expand(service)
    me = msgspec.structs.replace(EVERYTHING, moderator_id=staff.id)
    await replies.post_reply(service, me, question, NewReply(comment="An answer."))
    assert await told(service) == [(MIA, REPLY)]


async def test_nobody_is_told_of_a_held_comment_until_it_is_approved_and_then_once(careful):
    question = await post(careful, "A question?", email=MIA)
    await decide(careful, "approve", question)
    await subscribe(careful, ANA, "thread", question)
    held = await post(careful, "An answer.", parent=question, email=NOA)
    assert await told(careful) == []
    await decide(careful, "approve", held)
    assert await told(careful) == [(ANA, REPLY)]
    assert len(await take_mails(careful)) == 1
    await decide(careful, "approve", held)
    await decide(careful, "trash", held)
    await decide(careful, "restore", held)
    await decide(careful, "hold", held)
    await decide(careful, "approve", held)
    assert await told(careful) == []


async def test_an_approval_that_was_undone_at_once_tells_nobody(careful):
    question = await post(careful, "A question?", email=MIA)
    await subscribe(careful, ANA, "site", question)
    action = await decide(careful, "approve", question)
    await undo.undo_action(careful, EVERYTHING, action.id)
    assert await told(careful) == []


async def test_many_approvals_at_once_tell_of_each(careful):
    await subscribe(careful, ANA, "site", await post(careful, "The first.", email=MIA))
    ids = [await post(careful, f"Comment {number}.", email=NOA) for number in range(3)]
    await decide(careful, "spam", ids[0])
    await decide(careful, "approve", *ids)
    assert await told(careful) == [(ANA, REPLY)] * 3


@write
async def import_comment(unit, comment_id):
    imported = Decision(Status.PENDING, Actor(ActorKind.IMPORT, None, "import"))
    await decisions.add(unit, [comment_id], imported, None)


async def test_nobody_is_told_of_an_imported_comment(careful):
    question = await post(careful, "A question?", email=MIA)
    await subscribe(careful, ANA, "site", question)
    await import_comment(careful, question)
    await decide(careful, "approve", question)
    assert await told(careful) == []


async def test_subscribers_of_a_merged_thread_are_told(service):
    old = await post(service, "On the old page.", thread="/old-name/", email=MIA)
    await post(service, "On the new page.", thread="/new-name/", email=MIA)
    await subscribe(service, ANA, "thread", old)
    await expand(service)
    await merge_into(service, "/old-name/", "/new-name/")
    await post(service, "A new one.", thread="/new-name/", email=NOA)
    assert await told(service) == [(ANA, REPLY)]


async def test_many_subscribers_are_told_in_pieces_and_each_once(service, monkeypatch):
    monkeypatch.setattr(notifications, "READERS_AT_ONCE", 4)
    question = await post(service, "A question?", email=MIA)
    people = [f"reader{number}@example.com" for number in range(11)]
    for number, person in enumerate(people):
        for scope in [("thread",), ("site",), ("thread", "site")][number % 3]:
            await subscribe(service, person, scope, question)
    await expand(service)
    await post(service, "An answer.", parent=question, email=ANA)
    await post(service, "Another one.", email="reader3@example.com")
    units = []
    real = notifications.notify_subscribers

    async def count(unit, happened):
        before = len(await unit.all("SELECT id FROM parcel"))
        await real(unit, happened)
        units.append(len(await unit.all("SELECT id FROM parcel")) - before)

    while await outbox.expand_events(service, [count]):
        pass
    assert max(units) <= 4
    both = sorted([(one, REPLY) for one in people] * 2)
    both.remove(("reader3@example.com", REPLY))
    assert await told(service) == both


async def test_erasing_a_comment_ends_telling_those_who_are_left(service, monkeypatch):
    monkeypatch.setattr(notifications, "READERS_AT_ONCE", 2)
    question = await post(service, "A question?", email=MIA)
    for number in range(5):
        await subscribe(service, f"reader{number}@example.com", "thread", question)
    await expand(service)
    answer = await post(service, "An answer.", email=ANA)
    await outbox.expand_events(service, [notifications.notify_subscribers])
    assert len(await read_parcels(service)) == 2
    await decide(service, "trash", answer)
    await erase.erase_permanently(service, EVERYTHING, answer)
    assert await told(service) == []


async def test_a_subscription_to_replies_ends_with_its_comment(service):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, MIA, "replies", question)
    await decide(service, "trash", question)
    await erase.erase_permanently(service, EVERYTHING, question)
    assert await count_rows(service, "subscription") == 0


@private_read
async def count_rows(unit, table):
    return len(await unit.all(f"SELECT * FROM {table}"))


# "Your comment was approved"


async def test_commenters_who_asked_are_told_once_that_their_comment_was_approved(careful):
    mine = await post(careful, "A question?", email=MIA)
    await subscribe(careful, MIA, "replies", mine)
    await subscribe(careful, MIA, "site", mine)
    assert await told(careful) == []
    await decide(careful, "approve", mine)
    assert await told(careful) == [(MIA, APPROVED)]
    [mail] = await take_mails(careful)
    assert (mail.to.reveal(), mail.subject) == (MIA, "Your comment on blog was approved")
    await decide(careful, "trash", mine)
    await decide(careful, "approve", mine)
    assert await told(careful) == []


async def test_commenters_whose_comment_was_public_at_once_are_not_told_that_it_was_approved(service):
    mine = await post(service, "A question?", email=MIA)
    await subscribe_before_telling(service, MIA, "replies", mine)
    assert await told(service) == []


async def test_commenters_who_confirm_after_the_approval_are_not_told_of_it(careful, clock):
    mine = await post(careful, "A question?", email=MIA)
    await decide(careful, "approve", mine)
    clock.move(minutes=5)
    await subscribe_before_telling(careful, MIA, "replies", mine)
    assert await told(careful) == []


async def test_only_the_commenter_is_told_of_an_approval(careful):
    mine = await post(careful, "A question?", email=MIA)
    await subscribe(careful, ANA, "thread", mine)
    await decide(careful, "approve", mine)
    assert await told(careful) == [(ANA, REPLY)]


# Daily digests


async def test_a_daily_digest_comes_at_the_same_time_of_day_with_all_comments_since(service, clock):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, ANA, "thread", question, daily=True)
    await expand(service)
    clock.move(hours=3)
    for number in range(3):
        await post(service, f"Answer {number}.", parent=question, email=NOA)
    assert await told(service) == [(ANA, DIGEST)]
    clock.move(hours=20, minutes=59)
    assert await take_mails(service) == []
    clock.move(minutes=1)
    [mail] = await take_mails(service)
    assert [f"Answer {number}." in mail.text for number in range(3)] == [True] * 3
    assert "A question?" in mail.text.partition("Answer 0.")[0]  # as what is answered
    assert (mail.subject, mail.one_click) == ("New comments on blog", True)
    await post(service, "On the next day.", email=NOA)
    clock.move(hours=23)
    assert await take_mails(service) == []
    clock.move(hours=1)
    [mail] = await take_mails(service)
    assert ("On the next day." in mail.text, "Answer 2." in mail.text) == (True, False)
    clock.move(days=2)
    assert await take_mails(service) == []


async def test_an_address_that_also_gets_mail_at_once_reads_a_comment_once(service):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, MIA, "site", question, daily=True)
    await subscribe(service, MIA, "replies", question)
    await set_daily_of_replies(service, 0)
    await post(service, "An answer.", parent=question, email=ANA)
    assert await told(service) == [(MIA, REPLY)]
    await post(service, "Something else.", email=ANA)
    assert await told(service) == [(MIA, DIGEST), (MIA, REPLY)]


@write
async def set_daily_of_replies(unit, daily):
    await unit.run("UPDATE subscription SET daily = :daily WHERE scope = 'replies'", daily=daily)


async def test_a_digest_says_only_what_is_public_then(careful, clock):
    one, two = [await post(careful, text, email=MIA) for text in ("Stays.", "Goes.")]
    await subscribe(careful, ANA, "site", one, daily=True)
    await decide(careful, "approve", one, two)
    await expand(careful)
    await decide(careful, "trash", two)
    clock.move(days=1)
    [mail] = await take_mails(careful)
    assert ("Stays." in mail.text, "Goes." in mail.text) == (True, False)


async def test_a_digest_without_public_comments_is_not_sent(careful, clock):
    one = await post(careful, "Goes.", email=MIA)
    await subscribe(careful, ANA, "site", one, daily=True)
    await decide(careful, "approve", one)
    await expand(careful)
    await decide(careful, "trash", one)
    clock.move(days=1)
    assert await take_mails(careful) == [None]


async def test_a_comment_that_comes_while_a_digest_is_sent_is_in_the_next_one(service, clock):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, ANA, "thread", question, daily=True)
    await post(service, "In time.", email=NOA)
    await expand(service)
    clock.move(days=1)
    [sending] = await outbox.claim(service, Channel.MAIL, 8)
    clock.move(days=-1, seconds=1)  # the worker that expands events has a clock that is late
    await post(service, "Too late.", email=NOA)
    await expand(service)
    await outbox.settle(service, sending, Outcome(state=ParcelState.DELIVERED), 1)
    clock.move(days=2)
    [mail] = await take_mails(service)
    assert ("Too late." in mail.text, "In time." in mail.text) == (True, False)


async def test_a_long_digest_says_that_it_does_not_show_all(service, clock):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, ANA, "thread", question, daily=True)
    for number in range(60):
        await post(service, f"Answer {number}.", email=NOA)
    await expand(service)
    clock.move(days=1)
    [mail] = await take_mails(service)
    assert (mail.text.count("Answer "), "There may be more" in mail.text) == (50, True)


# What was decided since a mail was put into the outbox


async def test_a_mail_about_a_comment_that_was_hidden_since_is_not_sent(service):
    question = await post(service, "A question?", email=MIA)
    await subscribe(service, ANA, "thread", question)
    await expand(service)
    answer = await post(service, "An answer.", email=NOA)
    await expand(service)
    await decide(service, "spam", answer)
    assert await take_mails(service) == [None]


@pytest.mark.parametrize("end", ["unsubscribe", "suppress"])
async def test_who_unsubscribed_since_gets_no_mail(service, end):
    question = await post(service, "A question?", email=MIA)
    subscription = await subscribe(service, ANA, "thread", question)
    await post(service, "An answer.", email=NOA)
    await expand(service)
    if end == "unsubscribe":
        await delete_subscription(service, subscription)
    else:
        ana = await change(service, addresses.find, service.keyring.digests(Email(ANA)))
        await change(service, addresses.suppress, ana.id, "complaint", service.now())
    assert set(await take_mails(service)) == {None}


@write
async def delete_subscription(unit, subscription_id):
    await unit.run("DELETE FROM subscription WHERE id = :id", id=subscription_id)
