"""What moderators call."""

from aiohttp import hdrs, web

from commentsvc.audit.schemas import ActionResult, AuditLog, AuditQuery
from commentsvc.moderation import actions, audit, queue, replies, threads
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import (
    Action,
    CommentPage,
    CommentUpdate,
    NewReply,
    PrivateSearch,
    QueueQuery,
    ReplyReceipt,
    ThreadChange,
    ThreadListQuery,
    ThreadPage,
    ThreadRecord,
)
from commentsvc.moderation.undo import undo_action
from commentsvc.rules import backtest, manage
from commentsvc.rules.schemas import (
    BacktestRequest,
    BacktestResult,
    NewRule,
    RuleChange,
    RulePage,
    RuleQuery,
    RuleRecord,
)
from commentsvc.web.server.responses import respond
from commentsvc.web.server.routing import SERVICE, WHO


async def list_queue(request: web.Request, query: QueueQuery) -> CommentPage:
    """Read the queue: what waits, oldest first, unless something else is asked for."""
    return await queue.search_comments(request.app[SERVICE], request[WHO], query)


async def search(request: web.Request, query: PrivateSearch) -> CommentPage:
    """Search comments, also by email or network; the address travels in the body alone."""
    return await queue.search_comments(request.app[SERVICE], request[WHO], query)


async def get_detail(request: web.Request) -> web.Response:
    """Read all about one comment. Its version is the ETag."""
    comment = await queue.get_comment_detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    return respond(comment, headers={hdrs.ETAG: f'"{comment.version}"'})


async def amend(request: web.Request, change: CommentUpdate) -> ActionResult:
    """Change one comment's status, words or note, if nobody did since the version named by If-Match."""
    return await actions.update_comment(
        request.app[SERVICE], request[WHO], request.match_info["id"], _version_seen(request), change
    )


def _version_seen(request: web.Request) -> int | None:
    text = request.headers.get(hdrs.IF_MATCH, "").strip().strip('"')
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None  # noqa: PLR2004 -- fits 63 bits


async def reply(request: web.Request, new: NewReply) -> ReplyReceipt:
    """Reply to a comment in one's own name, shown at once; approve that comment along with it if need be."""
    return await replies.post_reply(request.app[SERVICE], request[WHO], request.match_info["id"], new)


async def act(request: web.Request, action: Action) -> ActionResult:
    """Decide on many comments in one go."""
    return await actions.apply_action(request.app[SERVICE], request[WHO], action)


async def undo(request: web.Request) -> ActionResult:
    """Take an action back, whole; what was decided since is left and named."""
    return await undo_action(request.app[SERVICE], request[WHO], request.match_info["id"])


async def erase(request: web.Request) -> ActionResult:
    """Erase a comment of spam or trash for good, and all that is private of its writer."""
    return await erase_permanently(request.app[SERVICE], request[WHO], request.match_info["id"])


async def list_threads(request: web.Request, query: ThreadListQuery) -> ThreadPage:
    """Read the threads, newest first."""
    return await threads.list_threads(request.app[SERVICE], request[WHO], query)


async def change_thread(request: web.Request, change: ThreadChange) -> ThreadRecord:
    """Open, close, retitle or rename a thread, give it one more name, or merge it into another."""
    return await threads.change_thread(request.app[SERVICE], request[WHO], request.match_info["id"], change)


async def list_rules(request: web.Request, query: RuleQuery) -> RulePage:
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


async def try_rule(request: web.Request, trial: BacktestRequest) -> BacktestResult:
    """Try a rule on the comments that people decided last. Nothing is changed."""
    return await backtest.backtest_rule(request.app[SERVICE], request[WHO], trial)


async def list_audit(request: web.Request, query: AuditQuery) -> AuditLog:
    """Read who did what, newest first."""
    return await audit.list_entries(request.app[SERVICE], request[WHO], query)
