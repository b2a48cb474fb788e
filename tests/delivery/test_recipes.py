"""The programs in docs/webhooks.md verify our requests, and tell chats about them."""

import json
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from commentsvc.delivery import signature, webhook_deliveries, webhooks
from commentsvc.delivery.webhook_schemas import WebhookChange, WebhookEvent
from tests.conftest import EVERYTHING, post
from tests.delivery.receiver import LOOPBACK, a_receiver, running_script
from tests.delivery.test_webhooks import add, deliveries, work

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "webhooks.md"
SECRET = signature.new_secret()
BODY = '{"type":"comment.held","data":{"name":"Zoë"}}'


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def requests():
    """Return headers of requests by what is wrong with them."""
    now = int(time.time())
    good = dict(signature.signed_headers("msg_1", now, BODY.encode(), [SECRET]))
    rotated = dict(signature.signed_headers("msg_1", now, BODY.encode(), [signature.new_secret(), SECRET]))
    return {
        "nothing": good,
        "nothing, but it has two signatures": rotated,
        "the secret": dict(signature.signed_headers("msg_1", now, BODY.encode(), [signature.new_secret()])),
        "the time": dict(signature.signed_headers("msg_1", now - 400, BODY.encode(), [SECRET])),
        "the id": good | {"webhook-id": "msg_2"},
        "a word": good | {"webhook-timestamp": "now"},
        "no signature": {name: value for name, value in good.items() if name != "webhook-signature"},
    }


@pytest.mark.parametrize("wrong", requests())
def test_a_python_programmer_can_paste_the_code_that_verifies(wrong):
    names = {}
    exec(compile(blocks("python")[0], "webhooks.md", "exec"), names)  # noqa: S102 -- our own document
    event = names["read_event"](SECRET, requests()[wrong], BODY.encode())
    assert (event is not None) == wrong.startswith("nothing")


@pytest.mark.parametrize("wrong", requests())
def test_a_node_programmer_can_paste_the_code_that_verifies(wrong, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    (code,) = blocks("js")
    values = ", ".join(json.dumps(value) for value in (SECRET, requests()[wrong], BODY))
    script = tmp_path / "verify.mjs"
    script.write_text(f"{code}\nconsole.log(JSON.stringify(readEvent({values})));\n", encoding="utf-8")
    done = subprocess.run([node, script], capture_output=True, text=True, check=True)
    assert (json.loads(done.stdout) is not None) == wrong.startswith("nothing")


def a_relay(tmp_path, **settings):
    script = tmp_path / "relay.py"
    script.write_text(blocks("python")[1], encoding="utf-8")
    return running_script(script, **settings)


CHATS = {
    "slack": ("text", "a &lt;b&gt;"),
    "discord": ("content", "a <b>"),
    "telegram": ("text", "a <b>"),
    "ntfy": ("message", "a <b>"),
}


@pytest.mark.parametrize("chat", CHATS)
async def test_a_chat_hears_of_a_waiting_comment_through_the_relay(served, tmp_path, clock, chat):
    clock.time = datetime.now(UTC)  # the relay refuses what is old
    service = await served(outbound_allow=LOOPBACK)
    async with a_receiver() as room:
        webhook = await add(service, room, [WebhookEvent.HELD], include_unapproved=True)
        relay = {"WEBHOOK_SECRET": webhook.secret, "CHAT": chat, "CHAT_URL": room.url, "CHAT_ROOM": "our-room"}
        async with a_relay(tmp_path, **relay) as url:
            await move(service, webhook, url)
            comment = await post(service, "a <b>")
            await work(service)
            [message] = room.payloads()
            field, words = CHATS[chat]
            assert message[field].splitlines()[:3] == ["comment.held", "/a-page", words]
            assert comment in message[field]
            room.answers = [500]
            await post(service, "Another one.")
            await work(service)
            waiting, delivered = await deliveries(service, webhook)
            assert (waiting.status_code, delivered.status_code) == (502, 204)


async def test_the_relay_tells_nobody_what_others_send(served, tmp_path, clock):
    clock.time = datetime.now(UTC)
    service = await served(outbound_allow=LOOPBACK)
    async with a_receiver() as room:
        webhook = await add(service, room, [WebhookEvent.HELD])
        relay = {"WEBHOOK_SECRET": signature.new_secret(), "CHAT": "ntfy", "CHAT_URL": room.url}
        async with a_relay(tmp_path, **relay) as url:
            await move(service, webhook, url)
            tested = await webhook_deliveries.test_webhook(service, EVERYTHING, webhook.id)
            assert (tested.delivered, tested.status_code) == (False, 401)
            assert room.got == []


async def move(service, webhook, url):
    """Let a webhook call another address."""
    await webhooks.change_webhook(service, EVERYTHING, webhook.id, WebhookChange(url=url))
