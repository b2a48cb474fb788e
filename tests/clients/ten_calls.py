"""Call a running service with the Python client that a generator made: ``ten_calls.py URL KEY``.

``mypy --strict`` checks this file with the client. It prints one line for each call.
"""

import sys

from commentsvc_client import AuthenticatedClient, Client
from commentsvc_client.api.comments import (
    count_comments,
    create_comment,
    list_comments,
    render_preview,
    report_comment,
)
from commentsvc_client.api.moderation import decide, list_queue, undo_action
from commentsvc_client.api.rules import test_rule
from commentsvc_client.models.action_result import ActionResult
from commentsvc_client.models.action_verb import ActionVerb
from commentsvc_client.models.backtest_request import BacktestRequest
from commentsvc_client.models.backtest_result import BacktestResult
from commentsvc_client.models.comment_counts import CommentCounts
from commentsvc_client.models.comment_page import CommentPage
from commentsvc_client.models.error_code import ErrorCode
from commentsvc_client.models.field_error_code import FieldErrorCode
from commentsvc_client.models.list_comments_view import ListCommentsView
from commentsvc_client.models.new_action import NewAction
from commentsvc_client.models.new_comment import NewComment
from commentsvc_client.models.new_report import NewReport
from commentsvc_client.models.preview_request import PreviewRequest
from commentsvc_client.models.preview_result import PreviewResult
from commentsvc_client.models.private_comment_filter import PrivateCommentFilter
from commentsvc_client.models.problem import Problem
from commentsvc_client.models.reason_code import ReasonCode
from commentsvc_client.models.receipt import Receipt
from commentsvc_client.models.report_receipt import ReportReceipt
from commentsvc_client.models.rule_kind import RuleKind
from commentsvc_client.models.status_filter import StatusFilter
from commentsvc_client.models.thread_listing import ThreadListing
from commentsvc_client.models.thread_tree import ThreadTree
from commentsvc_client.models.tree_comment import TreeComment

PAGE = "/a-post/"


def call_as_reader(client: Client) -> Receipt:
    """Preview a comment, post it, and post one without a text."""
    preview = render_preview.sync(client=client, body=PreviewRequest(comment="**Hello**"))
    assert isinstance(preview, PreviewResult)
    assert preview.html == "<p><strong>Hello</strong></p>"
    print("preview")

    new = NewComment(thread=PAGE, name="Mia", email="mia@example.com", comment="**Hello**")
    receipt = create_comment.sync(client=client, body=new)
    assert isinstance(receipt, Receipt)
    assert receipt.parent is None
    print("post")

    refused = create_comment.sync(client=client, body=NewComment(thread=PAGE, name="Mia", comment=" "))
    assert isinstance(refused, Problem)
    assert refused.code is ErrorCode.INVALID
    assert [(fault.field, fault.code) for fault in refused.errors] == [
        ("email", FieldErrorCode.REQUIRED),
        ("comment", FieldErrorCode.REQUIRED),
    ]
    print("error")
    return receipt


def call_as_moderator(client: AuthenticatedClient, comment: str) -> None:
    """Read the queue, approve by ids, hold by a filter, undo that, and test a rule."""
    queue = list_queue.sync(client=client, status=StatusFilter.PENDING, limit=10)
    assert isinstance(queue, CommentPage)
    assert [reason.code for reason in queue.comments[0].reasons] == [ReasonCode.MODE_ALL]
    print("queue")

    approved = decide.sync(client=client, body=NewAction(action=ActionVerb.APPROVE, ids=[comment]))
    assert isinstance(approved, ActionResult)
    assert (approved.changed, approved.results[0].ok) == (1, True)
    print("act by ids")

    where = PrivateCommentFilter(status=StatusFilter.APPROVED, email="mia@example.com")
    held = decide.sync(client=client, body=NewAction(action=ActionVerb.HOLD, where=where, expect=1))
    assert isinstance(held, ActionResult)
    assert held.changed == 1
    print("act by where")

    undone = undo_action.sync(held.id, client=client)
    assert isinstance(undone, ActionResult)
    assert undone.changed == 1
    print("undo")

    rule = BacktestRequest(kind=RuleKind.WORDS, match="hello", last=100)
    tested = test_rule.sync(client=client, body=rule)
    assert isinstance(tested, BacktestResult)
    assert (tested.tried, tested.approved) == (1, 1)
    print("rule test")


def call_as_another_reader(client: Client, comment: str) -> None:
    """List the thread as a tree and as a list, count, and report."""
    tree = list_comments.sync(client=client, thread=PAGE)
    assert isinstance(tree, ThreadTree)
    first = tree.comments[0]
    assert isinstance(first, TreeComment)
    assert (first.id, first.replies) == (comment, [])
    print("list as a tree")

    listing = list_comments.sync(client=client, thread=PAGE, view=ListCommentsView.FLAT)
    assert isinstance(listing, ThreadListing)
    assert [one.id for one in listing.comments] == [comment]
    print("list flat")

    counts = count_comments.sync(client=client, thread=[PAGE, "/another/"])
    assert isinstance(counts, CommentCounts)
    assert counts.counts.additional_properties == {PAGE: 1, "/another/": 0}
    print("counts")

    report = report_comment.sync(comment, client=client, body=NewReport(reason="Advertising."))
    assert isinstance(report, ReportReceipt)
    assert report.reported is True
    print("report")


def main(url: str, key: str) -> None:
    """Make all calls."""
    reader = Client(base_url=url, raise_on_unexpected_status=True)
    receipt = call_as_reader(reader)
    call_as_moderator(AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True), receipt.id)
    call_as_another_reader(reader, receipt.id)


if __name__ == "__main__":
    main(*sys.argv[1:])
