"""Nobody waits while a long page is rendered for somebody else."""

import asyncio
import gc
import re
import socket
import sys
import threading
from importlib import resources

import jinja2
import pytest

from commentsvc import app
from commentsvc.access import moderators, sign_in
from commentsvc.domain import markdown
from commentsvc.processes import processor
from commentsvc.processes.stop import Stop
from commentsvc.web import routes
from commentsvc.web.pages import templates
from commentsvc.web.server import forms
from tests.conftest import SECRET, Config, post, visit

SECONDS = 20  # a failing test waits that long


@pytest.fixture
async def cookie(service):
    """The headers of a signed-in moderator."""
    await moderators.add_moderator(service, "Ada", None, [])
    link = await moderators.create_sign_in_link(service, "Ada")
    session = await sign_in.sign_in_by_link(service, link.rpartition("/")[2], visit())
    return {"Cookie": f"commentsvc={session}"}


async def answer_beside(client, monkeypatch, holding, hold, method, path, **request):
    """Send a request of which one part waits until another request was answered; return the answer."""
    started, go_on = threading.Event(), threading.Event()
    make = getattr(holding, hold)

    def wait_and_make(*args, **kwargs):
        started.set()
        assert go_on.wait(SECONDS), "the event loop renders"
        return make(*args, **kwargs)

    monkeypatch.setattr(holding, hold, wait_and_make)
    asked = asyncio.create_task(client.request(method, path, allow_redirects=False, **request))
    assert await asyncio.to_thread(started.wait, SECONDS)
    assert (await client.get("/healthz")).status == 200
    go_on.set()
    return await asked


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/t?thread=/a-page/",
        "/v1/comments.html?thread=/a-page/",
        "/docs",
        "/moderate",
        "/moderate?status=any",
        "/moderate/threads",
        "/moderate/rules",
        "/moderate/audit",
        "/moderate/account",
        "/no-such-page",
    ],
)
async def test_readers_are_answered_while_a_page_is_rendered(client, service, cookie, path, monkeypatch):
    await post(service, "A comment.")
    headers = cookie | {"Accept": "text/html"}
    page = await answer_beside(client, monkeypatch, jinja2.Template, "render", "GET", path, headers=headers)

    assert page.status == (404 if path == "/no-such-page" else 200)
    assert ("Sign out" in await page.text()) is path.startswith("/moderate")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_readers_are_answered_while_the_openapi_document_is_made(client, monkeypatch):
    answer = await answer_beside(client, monkeypatch, routes, "document", "GET", "/openapi.json")
    assert (await answer.json())["openapi"] == "3.1.0"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_readers_are_answered_while_a_long_text_is_previewed(client, monkeypatch):
    text = {"comment": "A long *text*. " * 100}
    answer = await answer_beside(client, monkeypatch, markdown, "render", "POST", "/v1/preview", json=text)
    assert "<em>text</em>" in (await answer.json())["html"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_readers_are_answered_while_a_long_word_list_is_read(client, cookie, monkeypatch):
    account = await (await client.get("/moderate/account", headers=cookie)).text()
    csrf = re.search(r'name="csrf" value="([^"]+)"', account)[1]
    words = "\n".join(f"word{number}" for number in range(10_000))
    form = {"kind": "words", "match": words, "effect": "hold", "do": "save", "csrf": csrf}
    headers = cookie | {"Sec-Fetch-Site": "same-origin"}
    answer = await answer_beside(
        client, monkeypatch, forms, "parse_form", "POST", "/moderate/rules", data=form, headers=headers
    )
    assert answer.status == 303


def test_every_template_compiles():
    folder = resources.files("commentsvc.web") / "templates"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.html")}

    assert {name for name in names if templates.load_template(name)} == names != set()


async def test_a_running_service_interrupts_its_threads_and_does_not_search_its_modules_for_garbage(tmp_path):
    config = Config(database_url=f"sqlite:///{tmp_path / 'comments.db'}", secret_key=SECRET, port=0)
    announced = asyncio.Event()

    async def announce(service):
        with socket.create_connection(("127.0.0.1", service.config.port)):
            announced.set()

    interval = sys.getswitchinterval()
    gc.disable()
    try:
        serving = asyncio.create_task(app.serve(config, Stop(), announce))
        await asyncio.wait_for(announced.wait(), SECONDS)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert (gc.isenabled(), gc.get_freeze_count() > 10_000) == (True, True)
        assert sys.getswitchinterval() == pytest.approx(processor.SWITCH_SECONDS)
    finally:
        gc.enable()
        gc.unfreeze()
        sys.setswitchinterval(interval)
