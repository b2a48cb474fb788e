"""What moderators call."""

from aiohttp import hdrs, web

from commentsvc.audit import log
from commentsvc.audit.schemas import ActionResult, AuditLog, AuditQuery
from commentsvc.moderation import actions, queue, replies, threads
from commentsvc.moderation import erase as moderation_erase
from commentsvc.moderation import undo as moderation_undo
from commentsvc.moderation.schemas import (
    Action,
    Amendment,
    MadeReply,
    NewReply,
    PrivateSearch,
    Queue,
    QueueQuery,
    ThreadChange,
    ThreadRecord,
    Threads,
    ThreadsQuery,
)
from commentsvc.rules import backtest, manage
from commentsvc.rules.schemas import NewRule, RuleChange, RuleRecord, RuleRecords, RulesQuery, RuleTrial, TrialResult
from commentsvc.web.server.responses import respond
from commentsvc.web.server.routing import SERVICE, WHO


async def list_queue(request: web.Request, query: QueueQuery) -> Queue:
    """Read the queue: what waits, oldest first, unless something else is asked for."""
    return await queue.search(request.app[SERVICE], request[WHO], query)


async def search(request: web.Request, query: PrivateSearch) -> Queue:
    """Search comments, also by email or network; the address travels in the body alone."""
    return await queue.search(request.app[SERVICE], request[WHO], query)


async def get_detail(request: web.Request) -> web.Response:
    """Read all about one comment. Its version is the ETag."""
    comment = await queue.detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    return respond(comment, headers={hdrs.ETAG: f'"{comment.version}"'})


async def amend(request: web.Request, change: Amendment) -> ActionResult:
    """Change one comment's status, words or note, if nobody did since the version named by If-Match."""
    return await actions.amend(
        request.app[SERVICE], request[WHO], request.match_info["id"], _version_seen(request), change
    )


def _version_seen(request: web.Request) -> int | None:
    text = request.headers.get(hdrs.IF_MATCH, "").strip().strip('"')
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None  # noqa: PLR2004 -- fits 63 bits


async def reply(request: web.Request, new: NewReply) -> MadeReply:
    """Reply to a comment in one's own name, shown at once; approve that comment along with it if need be."""
    return await replies.reply(request.app[SERVICE], request[WHO], request.match_info["id"], new)


async def act(request: web.Request, action: Action) -> ActionResult:
    """Decide on many comments in one go."""
    return await actions.act(request.app[SERVICE], request[WHO], action)


async def undo(request: web.Request) -> ActionResult:
    """Take an action back, whole; what was decided since is left and named."""
    return await moderation_undo.undo(request.app[SERVICE], request[WHO], request.match_info["id"])


async def erase(request: web.Request) -> ActionResult:
    """Erase a comment of spam or trash for good, and all that is private of its writer."""
    return await moderation_erase.erase(request.app[SERVICE], request[WHO], request.match_info["id"])


async def list_threads(request: web.Request, query: ThreadsQuery) -> Threads:
    """Read the threads, newest first."""
    return await threads.list_threads(request.app[SERVICE], request[WHO], query)


async def change_thread(request: web.Request, change: ThreadChange) -> ThreadRecord:
    """Open, close, retitle or rename a thread, give it one more name, or merge it into another."""
    return await threads.change_thread(request.app[SERVICE], request[WHO], request.match_info["id"], change)


async def list_rules(request: web.Request, query: RulesQuery) -> RuleRecords:
    """Read the rules, oldest first."""
    return await manage.list_rules(request.app[SERVICE], request[WHO], query)


async def get_rule(request: web.Request) -> RuleRecord:
    """Read one rule, all that it looks for."""
    return await manage.get_rule(request.app[SERVICE], request[WHO], request.match_info["id"])


async def add_rule(request: web.Request, new: NewRule) -> RuleRecord:
    """Keep a rule; comments that arrive from now on are judged by it."""
    return await manage.add_rule(request.app[SERVICE], request[WHO], new)


async def change_rule(request: web.Request, change: RuleChange) -> RuleRecord:
    """Change what a rule looks for, what it does, how long it stands, or its note."""
    return await manage.change_rule(request.app[SERVICE], request[WHO], request.match_info["id"], change)


async def remove_rule(request: web.Request) -> RuleRecord:
    """Take a rule away; undoing the action brings it back."""
    return await manage.remove_rule(request.app[SERVICE], request[WHO], request.match_info["id"])


async def try_rule(request: web.Request, trial: RuleTrial) -> TrialResult:
    """Try a rule on the comments that people decided last. Nothing is changed."""
    return await backtest.try_rule(request.app[SERVICE], request[WHO], trial)


async def list_audit(request: web.Request, query: AuditQuery) -> AuditLog:
    """Read who did what, newest first."""
    return await log.entries(request.app[SERVICE], request[WHO], query)
