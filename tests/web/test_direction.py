"""A character that turns the direction of text has an effect inside its own comment only, or is shown as a number."""

import html
import re

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain import markdown
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action, CommentUpdate
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, sign_in_moderator
from tests.cli.test_moderate import command, pending_comments
from tests.conftest import EVERYTHING, a_service, draft, visit

CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
END = dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c") | dict.fromkeys("\u2066\u2067\u2068", "\u2069")
HOSTILE = [
    *(f"before {one} after" for one in CONTROLS),
    *(f"> quoted {one}\n\nbelow\n\n- item {one}\n- next **{one}** one" for one in CONTROLS),
    "one \u2067\ntwo", "```\ncode \u2067\nmore\n```", "\u2069\u2069 closed by nobody \u202c",
    "\u2066\u202b both \u2069",
    "[\u2067link](https://a.example/ 'title \u2067')", "https://a.example/\u2067exe.gpj", "<b \u2067>", "\u2067" * 500,
    "\u202b\u2066\u202c kept open \u2069", "*a \u2067 b* c \u2069",
]  # fmt: skip


def left_open(text):
    """Return the controls of one line that a browser would still obey after it, and the ends without a beginning."""
    open_ends, wrong = [], []
    for control in re.findall(f"[{CONTROLS}]", text):
        if control in END:
            open_ends.append(END[control])
        elif control in open_ends and (control == "\u2069" or open_ends[-1] == control):
            while open_ends.pop() != control:
                pass
        else:
            wrong.append(control)
    return [*open_ends, *wrong]


def lines_of(rendered):
    return re.split(r"</?(?:p|li|ul|ol|pre|blockquote|br|hr)\b[^>]*>|\n", rendered)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_comment_turns_what_follows_its_line(text):
    rendered = markdown.render(text)
    assert not re.search(f"<[^<>]*[{CONTROLS}]", rendered), "no control is in a tag"
    assert [left_open(line) for line in lines_of(rendered) if left_open(line)] == []


def test_a_commenter_who_writes_from_right_to_left_keeps_their_marks():
    text = "\u2067שלום, world\u2069 and \u202bמילה\u202c \u200fend\u200e"
    assert markdown.render(text) == f"<p>{text}</p>"


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_readers_and_feeds_get_no_open_control(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        client = await aiohttp_client(application(service))
        for number, text in enumerate(HOSTILE):
            fields = draft(comment=f"{text} {number}", name=f"Mia {number} \u202e\u2067", title="Page \u202e\u2067")
            await post_comment(service, fields, visit())
        for path in ("comments", "comments.html", "comments.atom", "latest", "latest.atom"):
            query = {} if "latest" in path else {"thread": "/a-page/"}
            text = await (await client.get(f"/v1/{path}", params=query | {"limit": "100"})).text()
            for line in lines_of(html.unescape(text).replace("\\n", "\n")):
                assert left_open(line) == [], ascii(line)


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_moderator_sees_the_controls_on_every_page(service, client):
    await sign_in_moderator(client, service)
    receipt = await post_comment(service, draft(comment="pay \u202eevil\u202c now \u2067"), visit())
    reply = draft(comment="an answer \u202e", parent=receipt.id)
    await actions.apply_action(
        service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[receipt.id], note="\u202eno")
    )
    await post_comment(service, reply, visit())
    change = CommentUpdate(comment="pay \u202e again \u2067", note="a note \u202e")
    await actions.update_comment(service, EVERYTHING, receipt.id, 2, change)
    for path in ("", "?status=any", f"/comments/{receipt.id}", f"/comments/{receipt.id}/ban", "/audit"):
        page = await (await client.get(f"/moderate{path}", headers=SAME_ORIGIN)).text()
        shown = re.sub(r"<textarea.*?</textarea>", "", page, flags=re.DOTALL)  # where the comment is edited as it is
        assert (path, re.findall(f"[{CONTROLS}]", shown)) == (path, [])
        assert "&lt;U+202E&gt;" in shown, path


def test_a_moderator_sees_the_controls_in_the_terminal(tmp_path):
    pending_comments(tmp_path, "pay \u202eevil\u202c now \u2067")
    for arguments in (("queue",), ("queue", "--json")):
        assert not re.search(f"[{CONTROLS}]", command(tmp_path, *arguments).text)
    assert "<U+202E>" in command(tmp_path, "queue").text
