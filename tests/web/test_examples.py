"""Each operation of the API has an example, which the OpenAPI document and the page /docs show.

Each test plays the same story. ``make examples`` stores its answers; without that, they are compared with the stored
ones. Ids, times and tokens differ each time.
"""

import json
import os
import re
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator
from yarl import URL

from commentsvc.archives.importer import import_archive
from commentsvc.archives.job_run import run_job
from commentsvc.domain.deliveries import Outcome, ParcelState
from commentsvc.domain.email_address import Email
from commentsvc.service import write
from commentsvc.storage import addresses
from commentsvc.subscriptions import confirm
from commentsvc.web.api.examples import EXAMPLES, Example, load_examples
from commentsvc.web.api.openapi import document, operation_id
from commentsvc.web.routes import ROUTES, application
from commentsvc.web.server.routing import JSON, SERVICE
from tests.conftest import a_key, a_moderators_key
from tests.delivery.receiver import LOOPBACK, a_receiver
from tests.delivery.test_deliveries import add_parcel, fail
from tests.delivery.test_outbound import Rebinding
from tests.delivery.test_outbox import MAIL
from tests.delivery.test_webhooks import work

ARCHIVE = Path(__file__).parent.parent.joinpath("archives", "small.wxr.xml").read_bytes()
BLOG = "https://blog.example.org"
HOOKS = "hooks.example.org"
POST = f"{BLOG}/2026/11/a-post/"
LONGEST_TEXT = 400  # of an answer that is not JSON
START = 15  # of which characters are compared
CHANGING = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME"),
    (re.compile(r"\bc[a-z]_[\w.~-]{20,}"), "TOKEN"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "HASH"),
    (re.compile(r"\bwhsec_[\w+/]{40,}=*"), "SECRET"),
    (re.compile(r'(?<="milliseconds": )\d+'), "0"),
    (re.compile(r"(?<=\"hue\": )\d+"), "0"),
    (re.compile(r'(?<=_cursor": ")[\w=-]+'), "CURSOR"),
    (re.compile(r'(?<="hue": )\d+'), "HUE"),
]


class Story:
    """Sends the requests, and keeps the first one of each operation with its answer."""

    def __init__(self, client, clock, keys):
        self.client, self.clock = client, clock
        self.tokens = {name: headers["Authorization"] for name, headers in keys.items()}
        self.told: dict[str, Example] = {}

    async def tell(self, operation, *, body=None, headers=None, query=None, by="key", **path):
        route = next(route for route in ROUTES if not route.page and operation_id(route) == operation)
        self.clock.move(minutes=1)
        address = URL(route.path.format(**path)).with_query(query or {})
        needs = route.scope is not None or (route.edit_token and route.method != "GET")
        secret = {"Authorization": self.tokens[by]} if needs else {}
        more = headers or {}
        sent = {"data": body} if route.takes_file else {"json": body}
        async with self.client.request(route.method, address, **sent, headers=secret | more) as answer:
            content = await answer.read()
            assert answer.status < 300, (operation, content)
        found = json.loads(content) if answer.content_type == JSON else content.decode()[:LONGEST_TEXT] or None
        if operation == "getOpenapi":
            found = {name: found[name] for name in ("openapi", "info")}
        example = Example(
            method=route.method,
            address=route.path,
            path=path,
            query=query or {},
            headers=more,
            body=None if route.takes_file else body,
            status=answer.status,
            answer=found,
        )
        self.told.setdefault(operation, example)
        return found


async def tell_of_readers(story, service):
    await story.tell("openForm")
    await story.tell("renderPreview", body={"comment": "Thanks, this **helped**."})
    fields = {"thread": POST, "name": "Mia", "email": "mia@example.com", "comment": "Thanks, this **helped**."}
    mia = await story.tell("createComment", body=fields | {"title": "A post", "submission": "0199aaaa-draft-1"})
    story.tokens["mia"] = f"Bearer {mia['edit_token']}"
    await story.tell("editComment", id=mia["id"], by="mia", body={"comment": "Thanks, this **helped** a lot."})
    bo = await story.tell("createComment", body=fields | {"name": "Bo", "comment": "Buy at https://shop.example"})
    story.tokens["bo"] = f"Bearer {bo['edit_token']}"
    await story.tell("requestSubscription", body={"email": "mia@example.com", "thread": POST, "language": "de"})
    proof = {"code": await a_proof(service), "author_token": mia["author_token"]}
    await story.tell("exchangeProof", body=proof, headers={"Origin": BLOG})
    return mia["id"], bo["id"]


@write
async def a_proof(unit):
    """Return the code that the link of a mail would give."""
    address = await addresses.find_or_add(unit, Email("mia@example.com"))
    site = await unit.one("SELECT id FROM site ORDER BY id LIMIT 1")
    return confirm.create_proof(unit, address.id, site["id"])


async def tell_of_moderators(story, mia, bo):
    await story.tell("listQueue", query={"limit": 1})
    await story.tell("searchComments", body={"email": "mia@example.com", "status": "any", "limit": 1})
    action = await story.tell("decide", body={"action": "approve", "ids": [mia, bo], "note": "Both are fine."})
    await story.tell("listComments", query={"thread": POST})
    await story.tell("getComment", id=mia)
    await story.tell("renderComments", query={"thread": POST})
    await story.tell("getThreadFeed", query={"thread": POST})
    await story.tell("listLatestComments", query={"limit": 1})
    await story.tell("getSiteFeed", query={"limit": 1})
    await story.tell("countComments", query={"thread": [POST]})
    await story.tell("countCommentsByPost", body={"thread": [POST, f"{BLOG}/2026/11/another/"]})
    await story.tell("reportComment", id=bo, body={"reason": "Advertising."})
    await story.tell("undoAction", id=action["id"])
    reply = {"comment": "Glad to hear it!", "approve": True}
    await story.tell("replyToComment", id=mia, by="moderator", body=reply)
    seen = await story.tell("inspectComment", id=mia)
    version = f'"{seen["version"]}"'
    await story.tell("updateComment", id=mia, headers={"If-Match": version}, body={"note": "A regular reader."})
    ways = await story.tell("listBans", id=bo)
    ban = {"kind": "author", "waiting": 1, "as_of": ways["as_of"], "note": "A shop."}
    banned = await story.tell("banCommenter", id=bo, body=ban)
    await story.tell("undoAction", id=banned["action"])
    await story.tell("decide", body={"action": "spam", "where": {"q": "shop"}, "expect": 1})
    await story.tell("eraseComment", id=bo)
    await story.tell("suppressAddress", body={"email": "gone@example.com", "reason": "bounce"})
    await story.tell("liftSuppression", body={"email": "gone@example.com"})
    mapping = {"email": "/Email", "event": "/Type", "bounce": ["HardBounce"], "complaint": ["SpamComplaint"]}
    await story.tell("receiveFeedback", query=mapping, body={"Type": "HardBounce", "Email": "gone@example.com"})
    await story.tell("listAudit", query={"limit": 2})
    await story.tell("readStatistics", query={"from": "2026-11-21", "to": "2026-11-22"})


async def tell_of_threads_and_rules(story):
    rule = {"kind": "words", "match": "shop\ncasino", "effect": "hold"}
    await story.tell("testRule", body=rule | {"last": 100})
    added = await story.tell("addRule", body=rule | {"note": "Advertising"})
    await story.tell("listRules")
    await story.tell("getRule", id=added["id"])
    await story.tell("changeRule", id=added["id"], body={"match": "shop\ncasino\nloan"})
    await story.tell("undoRule", id=added["id"], body={"since": "2026-11-01T00:00:00Z"})
    await story.tell("removeRule", id=added["id"])
    await story.tell("listFilters", query={"site": "blog.example.org"})
    await story.tell("rebuildFilters", body={"site": "blog.example.org"})
    threads = await story.tell("listThreads")
    thread = threads["threads"][0]["id"]
    await story.tell("changeThread", id=thread, body={"closed": True})
    await story.tell("changeThread", id=thread, body={"closed": False})
    unpublished = {"thread": f"{BLOG}/a-draft/", "name": "Bo", "email": "bo@example.com", "comment": "First!"}
    doomed = await story.tell("createComment", body=unpublished)
    story.tokens["doomed"] = f"Bearer {doomed['edit_token']}"
    await story.tell("withdrawComment", id=doomed["id"], by="doomed")
    await story.tell("createComment", body=unpublished | {"thread": f"{BLOG}/flood/"})
    await story.tell("removeThreads", body={"where": {"q": "flood"}, "expect": 1})
    await story.tell("removeThread", id=thread, query={"expect": 2})


async def tell_of_operators(story, moderator, hooks):
    made = await story.tell("createKey", body={"name": "statistics", "scopes": ["read"]})
    await story.tell("listKeys")
    await story.tell("rotateKey", id=made["id"], body={"grace_minutes": 60})
    await story.tell("revokeKey", id=made["id"])
    await story.tell("listModerators")
    await story.tell("changeModerator", id=moderator, body={"email": "noa@example.org"})
    await tell_of_webhooks(story, hooks)
    await tell_of_deliveries(story)
    await tell_of_imports(story)
    site = await story.tell("addSite", body={"name": "photos", "origins": ["https://photos.example.org"]})
    await story.tell("listSites")
    await story.tell("changeSite", id=site["id"], body={"mode": "trusted"})
    await story.tell("removeSite", id=site["id"])
    await story.tell("exportComments", query={"format": "csv"})
    await story.tell("answerPerson", body={"email": "mia@example.org", "action": "export"})
    for operation in ("checkHealth", "checkReadiness", "getVersion", "getOpenapi"):
        await story.tell(operation)


async def tell_of_imports(story):
    added = await story.tell("addImport", query={"site": "blog.example.org", "name": "old-blog.xml"}, body=ARCHIVE)
    await work_on(story, added["id"])
    await story.tell("getImport", id=added["id"])
    await story.tell("startImport", id=added["id"])
    await work_on(story, added["id"])
    await story.tell("listImports")
    await story.tell("cancelImport", id=added["id"])


async def work_on(story, import_id):
    """Do what the server's process does."""
    assert await run_job(story.client.app[SERVICE], import_id, import_archive)


async def tell_of_webhooks(story, hooks):
    new = {"url": f"http://{hooks}/comments", "events": ["comment.held", "thread.changed"], "note": "Chat"}
    added = await story.tell("addWebhook", body=new)
    await story.tell("listWebhooks")
    await story.tell("testWebhook", id=added["id"])
    fields = {"thread": POST, "name": "Mia", "email": "mia@example.com", "comment": "One more question."}
    await story.tell("createComment", body=fields)
    await work(story.client.app[SERVICE])
    deliveries = await story.tell("listWebhookDeliveries", id=added["id"])
    await story.tell("retryWebhookDelivery", id=added["id"], delivery=deliveries["deliveries"][0]["id"])
    await story.tell("rotateWebhookSecret", id=added["id"])
    await story.tell("changeWebhook", id=added["id"], body={"events": ["comment.held"], "enabled": False})
    await story.tell("removeWebhook", id=added["id"])


async def tell_of_deliveries(story):
    service = story.client.app[SERVICE]
    await add_parcel(service, "held", email_sealed=service.keyring.seal(Email("noa@example.org")))
    await fail(service, Outcome(state=ParcelState.DEAD, error="The mail server refused the recipient (550)."))
    found = await story.tell("listDeliveries", query={"state": "dead"})
    await story.tell("retryDelivery", id=found["deliveries"][0]["id"])
    await story.tell("retryDeadDeliveries", body={"channel": "mail"})


def without_chance(value):
    """Return JSON as text, without ids, times and tokens."""
    text = json.dumps(value, sort_keys=True)
    for pattern, name in CHANGING:
        text = pattern.sub(name, text)
    return text


def is_as_stored(told, stored):
    """Tell whether two examples differ by chance only. Of an answer that is not JSON, only the start is compared."""
    if isinstance(told.get("answer"), str):
        return str(stored.get("answer"))[:START] == told["answer"][:START]
    return without_chance(told) == without_chance(stored)


@pytest.fixture
async def hooks(monkeypatch):
    """Let ``hooks.example.org`` be a receiver on loopback; return its host and port."""

    def resolver():
        return Rebinding(*["127.0.0.1"] * 9)

    monkeypatch.setattr("commentsvc.delivery.outbound.aiohttp.ThreadedResolver", resolver)
    async with a_receiver() as receiver:
        yield f"{HOOKS}:{URL(receiver.url).port}"


async def test_programmers_see_an_example_of_every_operation_as_it_is_answered_today(
    served, clock, aiohttp_client, hooks
):
    service = await served(sites=BLOG, outbound_allow=LOOPBACK, **MAIL)
    client = await aiohttp_client(application(service), headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"})
    key = await a_key(service)
    story = Story(client, clock, {"key": key, "moderator": await a_moderators_key(service)})
    mia, bo = await tell_of_readers(story, service)
    await tell_of_moderators(story, mia, bo)
    await tell_of_threads_and_rules(story)
    moderators = await (await client.get("/v1/moderators", headers=key)).json()
    await tell_of_operators(story, moderators["moderators"][0]["id"], hooks)
    told = json.loads(msgspec.json.encode(story.told).replace(hooks.encode(), HOOKS.encode()))  # without the port
    stored = json.loads(msgspec.json.encode(load_examples()))
    changed = [name for name, example in told.items() if not is_as_stored(example, stored.get(name, {}))]
    if changed and os.environ.get("COMMENTSVC_RECORD_EXAMPLES"):
        EXAMPLES.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        changed = []

    assert changed == [], "run make examples"
    assert set(told) == set(load_examples()) == {operation_id(route) for route in ROUTES if not route.page}


def test_every_example_fits_its_schema():
    whole = json.loads(msgspec.json.encode(document(ROUTES)))
    checked = 0
    for item in whole["paths"].values():
        for operation in item.values():
            refused = whole["components"]["responses"].values()
            contents = [operation.get("requestBody", {}), *operation["responses"].values(), *refused]
            for content in (one for part in contents for one in part.get("content", {}).values()):
                if "example" in content:
                    schema = content["schema"] | {"components": whole["components"]}
                    Draft202012Validator(schema).validate(content["example"])
                    checked += 1
    assert checked > 60
