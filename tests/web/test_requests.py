"""Programs and proxies send a request in unusual ways, and get the answer that they need."""

import asyncio
import json

import pytest

from commentsvc.domain import networks
from commentsvc.web.routes import application
from tests.comments.test_post import everything_in
from tests.conftest import a_key, fields_of, post
from tests.web.test_parsing import exchange, parse_answer

QUEUE = "/v1/moderation/comments"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.114.7", "203.0.114.7"),
        ("203.0.114.7:4711", "203.0.114.7"),
        (" 203.0.114.7:4711 ", "203.0.114.7"),
        ('"203.0.114.7:4711"', "203.0.114.7"),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ('"[2001:DB8::9]:_port"', "2001:db8::9"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.114.7", "203.0.114.7"),
        ("::ffff:203.0.114.7:4711", "203.0.114.7"),
        ("[::ffff:203.0.114.7]:4711", "203.0.114.7"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("203.0.114", None),
        ("203.0.114.777:80", None),
        ("[203.0.114.7", None),
        ("[2001:db8::9]x", None),
    ],
)
def test_an_address_is_read_as_proxies_write_it(written, address):
    assert networks.parse_hop(written) == address


@pytest.mark.parametrize(
    ("line", "hops"),
    [
        ("for=192.0.2.60;proto=http;by=203.0.113.43", ["192.0.2.60"]),
        ('For="[2001:db8:cafe::17]:4711"', ["[2001:db8:cafe::17]:4711"]),
        ('for=192.0.2.43, for="198.51.100.17:80";host="a;b,c"', ["192.0.2.43", "198.51.100.17:80"]),
        ("for=192.0.2.43,,for=unknown", ["192.0.2.43", "unknown"]),
        ("for=192.0.2.43, proto=https", ["192.0.2.43", ""]),
        ("proto=https ; FOR = 192.0.2.43", ["192.0.2.43"]),
        (r'for="192.0.2.\43"', ["192.0.2.43"]),
        ('for="192.0.2.43', []),
        ("", []),
    ],
)
def test_a_forwarded_header_names_each_hop(line, hops):
    assert networks.forwarded_hops([], [line]) == hops


@pytest.mark.parametrize(
    ("sent", "network"),
    [
        ({"X-Forwarded-For": "203.0.114.7:4711"}, "203.0.114.0/24"),
        ({"X-Forwarded-For": "198.51.100.66, [2001:db8:1:2::9]:4711, [::ffff:10.1.2.3]:80"}, "2001:db8:1:2::/64"),
        ({"X-Forwarded-For": "203.0.114.7, ,"}, "203.0.114.0/24"),
        ({"Forwarded": 'for=198.51.100.66, for="203.0.114.7:4711", for=10.1.2.3;proto=https'}, "203.0.114.0/24"),
        ({"Forwarded": "for=203.0.114.7, for=unknown"}, "127.0.0.0/24"),
        ({"X-Forwarded-For": "203.0.114.7", "Forwarded": "for=198.51.100.66"}, "203.0.114.0/24"),
        ({"X-Forwarded-For": "203.0.114.7, nonsense"}, "127.0.0.0/24"),
    ],
)
async def test_a_trusted_proxy_names_the_readers_address(served, aiohttp_client, sent, network):
    service = await served(trusted_proxies="::ffff:127.0.0.0/104 10.0.0.0/8")
    client = await aiohttp_client(application(service))
    await client.post("/v1/comments", json=fields_of(), headers=sent)

    (contact,) = await everything_in(service, "contact")
    assert contact["network"] == network


async def test_a_forged_forwarded_header_changes_nothing(served, aiohttp_client):
    service = await served()
    client = await aiohttp_client(application(service))
    await client.post("/v1/comments", json=fields_of(), headers={"Forwarded": "for=203.0.114.7"})

    (contact,) = await everything_in(service, "contact")
    assert contact["network"] == "127.0.0.0/24"


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', '"1-gzip"', 'W/"1--gzip"', '"1;br"', "1", "*", '"7", W/"1"'])
async def test_a_moderator_changes_a_comment_by_a_tag_that_a_proxy_changed(service, client, tag):
    comment, key = await post(service, "Mine."), await a_key(service)
    done = await client.patch(f"{QUEUE}/{comment}", json={"status": "approved"}, headers=key | {"If-Match": tag})

    assert done.status == 200
    assert (await (await client.get(f"{QUEUE}/{comment}", headers=key)).json())["status"] == "approved"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 428, "version_required"),
        ({"If-Match": ""}, 428, "version_required"),
        ({"If-Match": 'W/"2"'}, 412, "version_conflict"),
        ({"If-Match": '"2", "3"'}, 412, "version_conflict"),
        ({"If-Match": '"another"'}, 412, "version_conflict"),
        ({"If-Match": '"1-other"'}, 412, "version_conflict"),
    ],
)
async def test_a_moderator_who_saw_another_version_changes_nothing(service, client, headers, status, code):
    comment, key = await post(service, "Mine."), await a_key(service)
    response = await client.patch(f"{QUEUE}/{comment}", json={"status": "spam"}, headers=key | headers)

    assert (response.status, (await response.json())["code"]) == (status, code)
    assert (await (await client.get(f"{QUEUE}/{comment}", headers=key)).json())["status"] == "pending"


async def test_any_version_of_a_missing_comment_is_not_found(service, client, key):
    missing = f"{QUEUE}/01900000-0000-7000-8000-000000000000"
    response = await client.patch(missing, json={"status": "spam"}, headers=key | {"If-Match": "*"})
    assert response.status == 404


async def test_json_and_forms_with_a_byte_order_mark_are_read(client):
    body = b"\xef\xbb\xbf" + json.dumps(fields_of()).encode()
    assert (await client.post("/v1/comments", data=body, headers=JSON)).status == 202
    form = b"\xef\xbb\xbfname=Mia&email=mia%40example.com&comment=Another+one.&thread=/a-page/"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post("/v1/comments", data=form, headers=headers)).status == 202


async def test_json_that_is_not_utf_8_is_refused_with_the_cure(client):
    body = json.dumps(fields_of()).encode("utf-16")
    response = await client.post("/v1/comments", data=body, headers=JSON)
    assert (response.status, "UTF-8" in (await response.json())["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("parameter", "cure"),
    [("_=1700000000", "cache"), ("callback=jQuery1", "fetch"), ("utm_source=x", "Remove this parameter")],
)
async def test_a_program_learns_which_parameter_to_remove(client, parameter, cure):
    response = await client.get(f"/v1/comments?thread=/a-page/&{parameter}")
    (fault,) = (await response.json())["errors"]

    assert (response.status, fault["field"], fault["code"]) == (422, parameter.partition("=")[0], "unknown_field")
    assert cure in fault["detail"]
    assert "Known fields: at, cursor" in fault["detail"]


async def test_a_program_learns_all_faults_of_a_query_string_at_once(client):
    query = "foo=1&foo=2&limit=many&order=best&order=worst&view=heap"
    faults = (await (await client.get(f"/v1/comments?{query}")).json())["errors"]

    assert {fault["field"]: fault["code"] for fault in faults} == {
        "foo": "unknown_field", "order": "repeated", "thread": "required", "limit": "invalid", "view": "invalid",
    }  # fmt: skip
    assert len(faults) == 5


@pytest.mark.parametrize("path", ["comments.html", "comments.atom"])
async def test_nobody_is_told_that_a_parameter_is_missing_which_they_sent(client, path):
    response = await client.get(f"/v1/{path}?thread=/a/&limit=1&limit=2&cursor={'c' * 1000}&utm=x")
    faults = (await response.json())["errors"]

    assert [(fault["field"], fault["code"]) for fault in faults] == [("limit", "repeated"), ("cursor", "invalid")]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/keys?site=blog", None),
        ("GET", "/v1/webhooks?site=blog", None),
        ("POST", "/v1/moderation/actions/x/undo?ids=y", None),
        ("POST", "/v1/moderation/actions/x/undo", {"ids": ["y"]}),
        ("DELETE", "/v1/rules/x?site=blog", None),
        ("DELETE", "/v1/rules/x", {"site": "blog"}),
    ],
)
async def test_a_filter_that_does_not_exist_does_not_mean_everything(client, key, method, path, body):
    response = await client.request(method, path, json=body, headers=key)
    (fault,) = (await response.json())["errors"]

    assert (response.status, fault["code"], fault["field"] in {"site", "ids"}) == (422, "unknown_field", True)


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/x-www-form-urlencoded", '{"ids": ["y"]}'), ("text/plain", "ids=y"), ("application/json", '["y"]')],
)
async def test_a_filter_of_another_type_does_not_mean_everything(client, key, kind, body):
    """``curl -d`` sends JSON as a form."""
    headers = {**key, "Content-Type": kind}
    response = await client.post("/v1/moderation/actions/x/undo", data=body, headers=headers)
    assert (response.status, (await response.json())["detail"]) == (400, "This request takes no body. Leave it out.")


async def test_a_program_may_send_an_empty_object_where_no_field_is_known(client, key):
    for body in ({}, None):
        response = await client.post("/v1/moderation/actions/x/undo", data=json.dumps(body), headers={**key, **JSON})
        assert response.status == 404


@pytest.mark.parametrize("target", ["/v1/comments?thread=/café/", "/t?thread=/日本/", "/v1/counts?thread=Привет"])
async def test_a_program_learns_to_percent_encode_an_address(live, target):
    url, _ = await live()
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    status, headers, body = parse_answer(await asyncio.wait_for(exchange(url, request), 10))

    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert "Percent-encode" in json.loads(body)["detail"]


async def test_a_program_learns_to_percent_encode_in_utf_8(client):
    for target, cure in (("/v1/comments?thread=/caf%e9", "%C3%A9"), ("/v1/counts?" + "a&" * 1001, "1,000")):
        response = await client.get(target)
        assert response.status == 400
        assert cure in (await response.json())["detail"]
