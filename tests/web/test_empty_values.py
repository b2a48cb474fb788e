"""An empty value is never "everything": in JSON, query strings and the terminal it is an error of its field."""

import itertools
import re

import msgspec
import pytest

from commentsvc.access.schemas import NewKey
from commentsvc.cli.parser import build_parser, parse_arguments
from commentsvc.delivery.webhook_schemas import NewWebhook
from commentsvc.domain.errors import Invalid
from commentsvc.domain.fields import Limits
from commentsvc.domain.validation import inner_schemas, validate
from commentsvc.moderation.ban_schemas import NewBan
from commentsvc.moderation.schemas import PrivateSearch, ThreadsRemoval, UnpublishedThreads
from commentsvc.rules.schemas import BacktestRequest, NewRule
from commentsvc.storage.comment_filter import PrivateCommentFilter
from commentsvc.web.routes import ROUTES
from tests.cli.test_parser import parsers
from tests.conftest import fields_of, post
from tests.web.test_hostile_input import VALID_BODIES

EMPTY = ["", " ", " \t\r\n\u00a0\u3000", "\u200b\u2060", "\u202e"]
# People leave the honeypot empty, and a program that copies a form copies that.
MAY_BE_EMPTY = {"topic"}
TAKEN = {route.takes for route in ROUTES if route.takes and not route.page}
SCHEMAS = TAKEN | {PrivateCommentFilter} | {inner for schema in TAKEN for inner in inner_schemas(schema)}
# The rules of this file are the same on both engines: no value reaches the database.
only_sqlite = pytest.mark.parametrize("engine", ["sqlite"])


def faults_of(schema, values):
    try:
        validate(schema, values, Limits())
    except Invalid as error:
        return {fault.field for fault in error.faults}
    return set()


def test_a_program_cannot_send_an_empty_value():
    wrong = {}
    for schema in SCHEMAS:
        for field in msgspec.structs.fields(schema):
            name = field.encode_name
            lists = ([], [""], [" "]) if "list[" in str(field.type) else ()
            for value in (*EMPTY, *lists):
                found = faults_of(schema, VALID_BODIES[schema] | {name: value})
                if found != ({name} - MAY_BE_EMPTY):
                    wrong[f"{schema.__name__}.{name}={value!r}"] = found
    assert wrong == {}


@only_sqlite
async def test_a_program_cannot_ask_with_an_empty_parameter(client, key):
    asked, wrong = 0, {}
    for route in ROUTES:
        if route.asks is None or route.session_scope is not None:  # our own search forms send their empty fields
            continue
        if "{token}" in route.path:  # nobody's link leads nowhere, with any parameter
            continue
        needed = {"thread": "/a-page/"} if "thread" in route.asks.__struct_fields__ else {}
        for field, value in itertools.product(msgspec.structs.fields(route.asks), ("", " ", "\u200b")):
            name = field.encode_name
            path = route.path.replace("{id}", "0")
            response = await client.request(route.method, path, params=needed | {name: value}, headers=key)
            text, asked = await response.text(), asked + 1
            if response.status != 422 or not (route.page or f'"field":"{name}"' in text):
                wrong[f"{route.method} {route.path} {name}={value!r}"] = response.status, text
    assert (asked > 100, wrong) == (True, {})


def test_a_filter_without_a_value_does_not_find_everything():
    for schema in (PrivateSearch, PrivateCommentFilter, UnpublishedThreads):
        for name in schema.__struct_fields__:
            assert name in {"order", "limit", "cursor"} or faults_of(schema, {name: None}) == {name}


def test_a_value_that_a_script_did_not_find_does_not_widen_what_it_creates():
    for schema in (NewKey, NewRule, BacktestRequest, NewWebhook, NewBan):
        for name in schema.__struct_fields__:
            assert faults_of(schema, VALID_BODIES[schema] | {name: None}) == {name}


@pytest.mark.parametrize("empty", ["", " ", "\u200b", None])
def test_a_condition_within_a_body_is_checked_like_the_body(empty):
    since = {"since": "2026-01-01T00:00:00Z"}
    for name in UnpublishedThreads.__struct_fields__:
        assert faults_of(ThreadsRemoval, {"expect": 1, "where": since | {name: empty}}) == {name}
    assert faults_of(ThreadsRemoval, {"expect": 1, "where": since | {"sites": "x"}}) == {"sites"}


@only_sqlite
async def test_a_script_with_an_unset_variable_finds_changes_and_widens_nothing(service, client, key):
    comment = await post(service, "A comment that must stay.")
    for where in ({"email": ""}, {"email": None}, {"q": " "}, {"network": "", "reported": False}):
        found = await client.post("/v1/moderation/search", json={"status": "any"} | where, headers=key)
        assert (found.status, "A comment that must stay" in await found.text()) == (422, False)
    for where in ({"email": ""}, {"email": None}, {"q": " "}, {"site": ""}, {}, {"status": "any"}):
        body = {"action": "trash", "where": where, "expect": 1}
        assert (await client.post("/v1/moderation/actions", json=body, headers=key)).status == 422
    for change in ({"site": ""}, {"expires_at": ""}, {"site": "\u200b"}, {"expires_at": " "}):
        new = {"name": "A key", "scopes": ["read"]} | change
        assert (await client.post("/v1/keys", json=new, headers=key)).status == 422
        rule = {"kind": "words", "match": "word"} | change
        assert (await client.post("/v1/rules", json=rule, headers=key)).status == 422
    shown = await (await client.get(f"/v1/moderation/comments/{comment}", headers=key)).json()
    assert shown["status"] == "pending"


@only_sqlite
async def test_an_empty_idempotency_key_does_not_let_a_program_post_twice(client):
    for empty in ("", '""', " "):
        answer = await client.post("/v1/comments", json=fields_of(), headers={"Idempotency-Key": empty})
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "submission")


@only_sqlite
async def test_a_form_may_have_fields_that_nobody_filled_in(client):
    form = fields_of(site="", parent=" ", website="", title="", topic="", started="", submission="", redirect_to="")
    assert (await client.post("/v1/comments", data=form)).status == 202


@pytest.mark.slow
def test_an_operator_cannot_give_an_empty_option(capsys):
    tried, wrong = 0, {}
    for path, parser in parsers(build_parser()):
        for action in parser._actions:
            if action.nargs == 0:
                continue
            for value in ("", " ", "\u200b"):
                answer, tried = refusal_of(list(path), parser, action, value, capsys), tried + 1
                named = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
                if not re.search(rf"argument .*{re.escape(named)}.*:", answer):
                    wrong[f"{' '.join(path)} {named} {value!r}"] = answer
    assert (tried > 150, wrong) == (True, {})


def refusal_of(words, parser, action, value, capsys):
    """Return what the terminal says to a command with this value, and valid ones for the rest that it needs."""
    for one in parser._actions:
        given = value if one is action else next(iter(one.choices), "") if one.choices else "x"
        if one.option_strings and (one.required or one is action):
            words.append(f"{one.option_strings[-1]}={given}")
        elif not one.option_strings and (one.nargs != "?" or one is action):
            words.append(given)
    try:
        parse_arguments(words)
    except SystemExit as stopped:
        return capsys.readouterr().err if stopped.code == 2 else "another exit code"
    return f"accepted: {words}"
