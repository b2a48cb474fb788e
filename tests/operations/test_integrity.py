"""Whatever people do with comments, no row looks damaged afterwards."""

from commentsvc.access.moderators import add_moderator
from commentsvc.comments.erase import withdraw_comment
from commentsvc.comments.post import post_comment
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Principal, Scope, Status
from commentsvc.moderation import actions, thread_removal, threads
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.replies import post_reply
from commentsvc.moderation.schemas import (
    Action,
    CommentUpdate,
    NewReply,
    ThreadChange,
    ThreadListQuery,
    ThreadRemoval,
)
from commentsvc.moderation.undo import undo_action
from commentsvc.operations import maintenance, secrets
from commentsvc.operations.integrity import check_rows
from commentsvc.privacy.erase import erase_person
from commentsvc.service import private_read
from commentsvc.sites import manage, removal
from commentsvc.sites.schemas import NewSite, SiteRemoval
from commentsvc.storage import moderators
from tests.conftest import EVERYTHING, OLD_SECRET, SECRET, a_service, draft, post, visit
from tests.privacy.person import EMAIL, MAIL, fill

B = "https://b.example"


@private_read
async def moderator_named(unit, name):
    return next(row["id"] for row in await moderators.list_all(unit) if row["name"] == name)


async def find_thread(service, text):
    return (await threads.list_threads(service, EVERYTHING, ThreadListQuery(q=text))).threads[0]


class Walk:
    """Does one thing after another, and checks every row after each."""

    def __init__(self, service):
        self.service = service
        self.rows = 0

    async def __call__(self, done):
        result = await done
        checked = await check_rows(self.service)
        assert not checked.damaged
        self.rows = max(self.rows, checked.rows)
        return result


async def moderate(walk, service):
    one = await post(service, "To be rewritten", thread="/walk-one/")
    two = await post(service, "In another thread", thread="/walk-two/")
    await walk(
        actions.update_comment(
            service,
            EVERYTHING,
            one,
            range(99),
            CommentUpdate(comment="Rewritten", name="Mia B.", status=Status.APPROVED),
        )
    )
    await add_moderator(service, "Noa", None, [])
    who = await moderator_named(service, "Noa")
    noa = Principal(Actor(ActorKind.PERSON, who, "Noa"), frozenset(Scope), None, who)
    reply = await walk(post_reply(service, noa, one, NewReply(comment="A *reply* of the blog.")))
    await walk(undo_action(service, EVERYTHING, reply.action))
    thread = await find_thread(service, "walk-one")
    merged = await walk(threads.change_thread(service, EVERYTHING, thread.id, ThreadChange(merge_into="/walk-two/")))
    await walk(undo_action(service, EVERYTHING, merged.action))
    await walk(actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[two])))
    await walk(erase_permanently(service, EVERYTHING, two))


async def remove(walk, service):
    await manage.add_site(service, EVERYTHING, NewSite(name="b", origins=[B]))
    await post(service, "on a removed site", thread=f"{B}/x/")
    sites = {site.name: site.id for site in (await manage.list_sites(service, EVERYTHING)).sites}
    await walk(removal.remove_site(service, EVERYTHING, sites["b"], SiteRemoval(expect=1)))
    await post(service, "in a removed thread", thread="/gone/", site="blog")
    thread = await find_thread(service, "gone")
    await walk(thread_removal.remove_thread(service, EVERYTHING, thread.id, ThreadRemoval(expect=1)))


async def test_no_row_looks_damaged_after_anything_that_people_do(database_url, clock):
    async with a_service(database_url, clock, secrets=(OLD_SECRET,), **MAIL) as service:
        walk = Walk(service)
        await walk(fill(service))
        await moderate(walk, service)
    async with a_service(database_url, clock, secrets=(SECRET, OLD_SECRET), contact_days=40, spam_days=40) as service:
        walk = Walk(service)
        await walk(secrets.reseal_emails(service))
        mine = await walk(post_comment(service, draft(comment="Mine"), visit()))
        await walk(withdraw_comment(service, mine.id, mine.edit_token))
        await remove(walk, service)
        clock.move(days=20)
        await walk(post(service, "Keeps its address"))
        clock.move(days=30)
        await walk(maintenance.delete_expired(service))
        await walk(erase_person(service, EMAIL))
        assert walk.rows > 10
