"""Handlers of the moderation API."""

import re
from collections.abc import Container
from typing import Final

from aiohttp import hdrs, web

from commentsvc.audit.schemas import ActionResult, AuditLog, AuditQuery
from commentsvc.moderation import (
    actions,
    audit,
    ban,
    queue,
    replies,
    rule_undo,
    thread_removal,
    threads,
    undo,
)
from commentsvc.moderation.ban_schemas import BanChoices, BanQuery, BanRecord, NewBan
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import (
    Action,
    CommentPage,
    CommentUpdate,
    NewReply,
    PrivateSearch,
    QueueQuery,
    RemovedThreads,
    ReplyReceipt,
    ThreadChange,
    ThreadListQuery,
    ThreadPage,
    ThreadRecord,
    ThreadRemoval,
    ThreadsRemoval,
)
from commentsvc.rules import backtest, manage
from commentsvc.rules.schemas import (
    BacktestRequest,
    BacktestResult,
    NewRule,
    RuleChange,
    RulePage,
    RuleQuery,
    RuleRecord,
    RuleUndo,
    RuleUndone,
)
from commentsvc.web.server.responses import respond
from commentsvc.web.server.routing import SERVICE, WHO

VERSION_TAG: Final = re.compile(r'(?:W/)?(")?([0-9]{1,15})(?(1)(?:[-;]+(?:br|deflate|gzip|zstd))?")', re.IGNORECASE)


async def list_queue(request: web.Request, query: QueueQuery) -> CommentPage:
    """Return the moderation queue: pending comments, oldest first, unless filters say otherwise."""
    return await queue.search_comments(request.app[SERVICE], request[WHO], query)


async def search_comments(request: web.Request, query: PrivateSearch) -> CommentPage:
    """Search comments, also by email address or network. These are sent in the body, never in a URL."""
    return await queue.search_comments(request.app[SERVICE], request[WHO], query)


async def inspect_comment(request: web.Request) -> web.Response:
    """Return one comment with its history. The ETag is its version."""
    comment = await queue.get_comment_detail(request.app[SERVICE], request[WHO], request.match_info["id"])
    return respond(comment, headers={hdrs.ETAG: f'"{comment.version}"'})


async def update_comment(request: web.Request, change: CommentUpdate) -> ActionResult:
    """Change the status, text, name or note of a comment, if If-Match is its current version."""
    return await actions.update_comment(
        request.app[SERVICE], request[WHO], request.match_info["id"], _versions_seen(request), change
    )


def _versions_seen(request: web.Request) -> Container[int] | None:
    """Return the versions in ``If-Match`` (RFC 9110, 13.1.1); None if the header is missing.

    Proxies that compress weaken a tag (``W/"3"``) or add to it (``"3-gzip"``); it names the same version.
    """
    tags = [tag.strip() for line in request.headers.getall(hdrs.IF_MATCH, []) for tag in line.split(",")]
    if not any(tags):
        return None
    if "*" in tags:
        return actions.ANY_VERSION
    return [int(match[2]) for match in map(VERSION_TAG.fullmatch, tags) if match]


async def reply_to_comment(request: web.Request, new: NewReply) -> ReplyReceipt:
    """Publish a reply to a comment as a moderator, and approve the comment if requested."""
    return await replies.post_reply(request.app[SERVICE], request[WHO], request.match_info["id"], new)


async def list_bans(request: web.Request, query: BanQuery) -> BanChoices:
    """Return the ways to ban the commenter of a comment, and how many earlier comments each would mark as spam."""
    return await ban.list_choices(request.app[SERVICE], request[WHO], request.match_info["id"], query)


async def ban_commenter(request: web.Request, new: NewBan) -> BanRecord:
    """Ban the commenter of a comment, and mark what they wrote as spam if requested: one action."""
    return await ban.add_ban(request.app[SERVICE], request[WHO], request.match_info["id"], new)


async def decide(request: web.Request, action: Action) -> ActionResult:
    """Decide on many comments at once."""
    return await actions.apply_action(request.app[SERVICE], request[WHO], action)


async def undo_action(request: web.Request) -> ActionResult:
    """Undo an action. Comments that were changed since are skipped and reported."""
    return await undo.undo_action(request.app[SERVICE], request[WHO], request.match_info["id"])


async def erase_comment(request: web.Request) -> ActionResult:
    """Permanently delete a comment in spam or trash, with the private data of its author."""
    return await erase_permanently(request.app[SERVICE], request[WHO], request.match_info["id"])


async def list_threads(request: web.Request, query: ThreadListQuery) -> ThreadPage:
    """Return the threads, newest first."""
    return await threads.list_threads(request.app[SERVICE], request[WHO], query)


async def change_thread(request: web.Request, change: ThreadChange) -> ThreadRecord:
    """Open, close, rename or move a thread, add an alias, set its mode, or merge it into another."""
    return await threads.change_thread(request.app[SERVICE], request[WHO], request.match_info["id"], change)


async def remove_thread(request: web.Request, query: ThreadRemoval) -> RemovedThreads:
    """Delete a thread permanently, with its comments and names."""
    return await thread_removal.remove_thread(request.app[SERVICE], request[WHO], request.match_info["id"], query)


async def remove_threads(request: web.Request, removal: ThreadsRemoval) -> RemovedThreads:
    """Delete threads permanently, with their comments: such as all that a flood created."""
    return await thread_removal.remove_threads(request.app[SERVICE], request[WHO], removal)


async def list_rules(request: web.Request, query: RuleQuery) -> RulePage:
    """Return the rules, oldest first."""
    return await manage.list_rules(request.app[SERVICE], request[WHO], query)


async def get_rule(request: web.Request) -> RuleRecord:
    """Return one rule with its whole match."""
    return await manage.get_rule(request.app[SERVICE], request[WHO], request.match_info["id"])


async def add_rule(request: web.Request, new: NewRule) -> RuleRecord:
    """Add a rule. It applies to comments that are posted from now on."""
    return await manage.add_rule(request.app[SERVICE], request[WHO], new)


async def change_rule(request: web.Request, change: RuleChange) -> RuleRecord:
    """Change the match, effect, expiry or note of a rule."""
    return await manage.change_rule(request.app[SERVICE], request[WHO], request.match_info["id"], change)


async def remove_rule(request: web.Request) -> RuleRecord:
    """Remove a rule. Undoing the action brings it back."""
    return await manage.remove_rule(request.app[SERVICE], request[WHO], request.match_info["id"])


async def undo_rule(request: web.Request, undo: RuleUndo) -> RuleUndone:
    """Undo what one rule did since a time, as one action. Without a number to expect, count the comments."""
    return await rule_undo.undo_rule(request.app[SERVICE], request[WHO], request.match_info["id"], undo)


async def test_rule(request: web.Request, trial: BacktestRequest) -> BacktestResult:
    """Test a rule on the comments that people decided on last. Nothing is changed."""
    return await backtest.backtest_rule(request.app[SERVICE], request[WHO], trial)


async def list_audit(request: web.Request, query: AuditQuery) -> AuditLog:
    """Return the audit log, newest entry first."""
    return await audit.list_entries(request.app[SERVICE], request[WHO], query)
