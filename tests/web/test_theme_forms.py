"""The comment forms of well-known themes, spam plugins and generators work after a change of their action only.

The files in ``forms/`` follow the markup of real forms: names, types and hidden fields, in short.
"""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest

from commentsvc.domain.models import Mode
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING
from tests.web.test_real_forms import multipart

BLOG = "https://blog.example"
BROWSER = {
    "Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Origin": BLOG,
    "Content-Type": "application/x-www-form-urlencoded",
}  # fmt: skip
PROGRAM = {"Content-Type": "application/x-www-form-urlencoded"}
FORMS = sorted((Path(__file__).parent / "forms").glob("*.html"))
WORDS = "My words.\r\n\r\nAnd *more* words."
ROLES = {
    "name": {"author", "fields[name]"},
    "email": {"email", "fields[email]"},
    "website": {"url", "fields[url]", "fields[website]"},
}
VOID = {"input", "br", "img", "meta", "hr"}


class Form(HTMLParser):
    """A form on a page, filled in by a person and sent by a browser (HTML, 4.10.21.4)."""

    def __init__(self, text):
        super().__init__()
        self.pairs, self.is_multipart, self.roles = [], False, set()
        self._hidden, self._area, self._select, self._option = [], None, None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        hidden = "none" in re.sub(r"\s|!important", "", given.get("style", "")).partition("display:")[2][:4]
        hidden = hidden or given.get("aria-hidden") == "true"
        if tag not in VOID:
            self._hidden.append(hidden)
        is_seen = not hidden and not any(self._hidden) and given.get("type") != "hidden"
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "form":
            self.is_multipart = given.get("enctype") == "multipart/form-data"
        elif tag == "input" and given.get("type") in {"checkbox", "radio"}:
            self.pairs += [(name, value or "on")] if "checked" in given and name else []
        elif tag == "input" and given.get("type") not in {"file", "button"} and name:
            self.pairs.append((name, value if "data-untouched" in given else self._typed(name, value, is_seen)))
        elif tag == "textarea":
            self._area = (name, is_seen)
            self.pairs.append((name, WORDS if is_seen else ""))
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self.pairs.append((self._select, value))

    def handle_endtag(self, tag):
        if tag not in VOID and self._hidden:
            self._hidden.pop()
        self._area = None if tag == "textarea" else self._area

    def handle_data(self, data):
        if self._area and not self._area[1]:
            self.pairs[-1] = (self._area[0], data.strip())

    def _typed(self, name, value, is_seen):
        typed = {"name": "Jo Lee", "email": "jo@example.com", "website": "https://jo.example"}
        role = next((role for role, names in ROLES.items() if name in names and is_seen), None)
        self.roles |= {role} if role else set()
        return typed[role] if role else value


async def send(client, form, **changed):
    """Send a form as a browser does."""
    pairs = [(name, changed.get(name, value)) for name, value in form.pairs]
    body, headers = urlencode(pairs).encode(), BROWSER
    if form.is_multipart:
        body, headers = multipart(pairs), BROWSER | {"Content-Type": "multipart/form-data; boundary=xYz"}
    return await client.post("/v1/comments", data=body, headers=headers, allow_redirects=False)


@pytest.fixture
async def blog(served, aiohttp_client):
    """The service of one blog that publishes at once, and its client: a comment that is held is noticed."""
    service = await served(sites=BLOG, moderation=Mode.NONE, form_seconds="3-86400")
    return service, await aiohttp_client(application(service))


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
async def test_a_reader_posts_with_the_form_of_a_theme(blog, file):
    service, client = blog
    form = Form(file.read_text(encoding="utf-8"))
    response = await send(client, form)

    assert response.status == 303, await response.text()
    [comment] = (await queue.search_comments(service, EVERYTHING, QueueQuery(status="approved"))).comments
    assert (comment.name, comment.email, comment.thread.key) == ("Jo Lee", "jo@example.com", "17")
    assert (comment.comment, comment.parent) == (WORDS, None)
    assert comment.website == ("https://jo.example" if "website" in form.roles else None)
    assert comment.reasons[0].code == "mode_none"


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
async def test_a_reader_whose_form_is_refused_gets_their_words_back_and_nothing_else(blog, file):
    form = Form(file.read_text(encoding="utf-8"))
    response = await send(blog[1], form, **dict.fromkeys(ROLES["email"], "nobody"))

    page = await response.text()
    assert response.status == 422
    assert "My words." in page
    lost = re.findall(r"readonly[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert lost == {"captcha-box": ["five"], "values-as-labels": ["Website"]}.get(file.stem, [])
    assert "nobody" in page


async def test_a_reader_answers_a_comment_of_this_service_with_the_form_of_a_theme(blog):
    service, client = blog
    files = {file.stem: Form(file.read_text(encoding="utf-8")) for file in FORMS}
    await send(client, files["html5-novalidate"])
    [first] = (await queue.search_comments(service, EVERYTHING, QueueQuery(status="approved"))).comments
    for name, field, value in (
        ("reply-to-an-older-comment", "comment_parent", first.id),
        ("staticman-modal-reply", "fields[replying_to]", first.id),
        ("staticman-threads-by-script", "fields[replyID]", f"comment-{first.id}"),
    ):
        text = {"comment": f"An answer: {name}", "fields[message]": f"An answer: {name}", "fields[body]": name}
        response = await send(client, files[name], **{field: value}, **text)
        assert response.status == 303
    found = (await queue.search_comments(service, EVERYTHING, QueueQuery(status="approved"))).comments
    assert sorted(comment.parent or "" for comment in found) == ["", first.id, first.id, first.id]


@pytest.mark.parametrize(
    ("name", "trap"),
    [
        ("spam-plugin-renamed-text-area", "comment"),
        ("spam-plugin-nonce-and-clock", "ak_hp_textarea"),
        ("staticman-modal-reply", "fields[hidden]"),
    ],
)
async def test_a_filled_trap_holds_a_comment_and_loses_nothing(blog, name, trap):
    service, client = blog
    form = Form(next(file for file in FORMS if file.stem == name).read_text(encoding="utf-8"))
    assert (await send(client, form, **{trap: "a few trapped words"})).status == 303
    [comment] = (await queue.search_comments(service, EVERYTHING, QueueQuery(status="pending"))).comments
    assert (comment.comment, comment.reasons[0].code) == (WORDS, "honeypot_filled")
    again = await send(client, form, **{trap: "a few trapped words"} | dict.fromkeys(ROLES["email"], "nobody"))
    assert "a few trapped words" in await again.text()


LOST = [
    ("review=More+words", "More words"),
    ("pros%5B%5D=Good&pros%5B%5D=Cheap", "Good\n\nCheap"),
    ("author=Mia+Ray", "Mia Ray"),
    ("topic=I+saw+this+field", "I saw this field"),
    ("ak_hp_textarea=So+did+I", "So did I"),
    ("fields%5Bbody%5D=Other+words", "Other words"),
    ("url=my+own+page", "my own page"),
    ("homepage=https://mia.example/2020/my-post", "https://mia.example/2020/my-post"),
    ("phone=%2B49+170+1234567", "+49 170 1234567"),
    ("mood=%F0%9F%91%8D%E2%9D%A4", "👍❤"),
    ("slogan=I-really-liked-the-2024-version", "I-really-liked-the-2024-version"),
    ("key=0191e4a0-7000-7abc-8def-0123456789ab", ""),
    ("my_field=2026", ""),
    ("my_field=on&wpnonce=60a7bba4cb&time=2026-11-28T15:20:00", ""),
]


@pytest.mark.parametrize(("more", "lost"), LOST)
async def test_text_in_another_field_comes_back(blog, more, lost):
    body = urlencode({"comment_post_ID": "17", "name": "Jo", "email": "nobody", "comment": "My words."})
    response = await blog[1].post("/v1/comments", data=f"{body}&{more}", headers=BROWSER)
    page = await response.text()
    assert re.findall(r"readonly[^>]*>\n(.*?)</textarea>", page, re.DOTALL) == ([lost] if lost else [])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("Website", None), ("none", None), ("-", None), ("http://", None), ("jo.example", "https://jo.example"),
     ("https://jo.example/a", "https://jo.example/a")],
)  # fmt: skip
async def test_words_in_the_website_field_of_a_theme_are_no_website(blog, sent, kept):
    fields = {"comment_post_ID": "17", "author": "Jo", "email": "jo@example.com", "comment": "Words.", "url": sent}
    response = await blog[1].post("/v1/comments", data=urlencode(fields), headers=PROGRAM)
    assert (response.status, (await response.json())["website"]) == (201, kept)


@pytest.mark.parametrize("value", ["subscribe", "yes", "on", "1", "0", "no", "", "2"])
async def test_a_subscribe_box_of_a_theme_may_have_any_value(blog, value):
    fields = {"comment_post_ID": "17", "author": "Jo", "email": "jo@example.com", "comment": "W.", "subscribe": value}
    response = await blog[1].post("/v1/comments", data=urlencode(fields), headers=PROGRAM)
    assert response.status == 201


# What functions.php finds in WordPress: the filter gets the form's defaults, the action prints inside the form.
WORDPRESS = """
$hooks = [];
function add_filter($name, $call) { global $hooks; $hooks[$name] = $call; }
function add_action($name, $call) { add_filter($name, $call); }
function get_permalink($id) { return "https://blog.example/2026/a-post/?p=$id&q='x'"; }
function esc_url($url) { return str_replace(['&', "'"], ['&#038;', '&#039;'], $url); }
%s
$form = $hooks['comment_form_defaults'](['action' => 'wp-comments-post.php', 'class_form' => 'comment-form']);
echo '<form action="', $form['action'], '" class="', $form['class_form'], '">';
$hooks['comment_form'](17);
"""


def printed_by_functions_php():
    """Return what the documented lines of PHP print; without PHP, what their format says."""
    docs = (Path(__file__).parents[2] / "docs/embedding.md").read_text(encoding="utf-8")
    lines = re.search(r"```php\n(add_filter.*?)```", docs, re.DOTALL)[1]
    php = shutil.which("php")
    if php:
        done = subprocess.run([php, "-r", WORDPRESS % lines], check=True, capture_output=True, text=True)
        return done.stdout
    action, [field] = re.search(r"'action' => '(.*?)'", lines)[1], re.findall(r"'(<input.*)'", lines)
    link = "https://blog.example/2026/a-post/?p=17&#038;q=&#039;x&#039;"
    return f'<form action="{action}" class="comment-form">{field.replace("%1$s", link)}'


async def test_the_documented_php_leads_commenters_back_to_the_page(blog):
    service, client = blog
    printed = printed_by_functions_php()
    assert printed.startswith('<form action="http://localhost:8080/v1/comments" class="comment-form">')
    theme = next(file for file in FORMS if file.stem == "block-theme").read_text(encoding="utf-8")
    response = await send(client, Form(theme.replace("</form>", f"{printed.partition('>')[2]}</form>")))

    [comment] = (await queue.search_comments(service, EVERYTHING, QueueQuery(status="approved"))).comments
    assert response.headers["Location"] == f"https://blog.example/2026/a-post/?p=17&q='x'#comment-{comment.id}"
    assert comment.thread.key == "/2026/a-post?p=17&q='x'"
