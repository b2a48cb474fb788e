"""An operator who forgot a setting behind a proxy reads which one."""

import logging

import pytest

from commentsvc.access import moderators
from commentsvc.access.sign_in import find_invited_name
from commentsvc.domain import networks
from commentsvc.web.routes import application
from commentsvc.web.server import security
from tests.conftest import fields_of

NAVIGATES = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
# What proxies with TLS send: the host that the browser sees; or their own, and the browser's in another header.
PROXIES = {
    "keeps the host": {"Host": "comments.example", "Origin": "https://comments.example"},
    "sends its own": {"Host": "127.0.0.1:8080", "Origin": "https://comments.example"},
    "names both": {"Host": "localhost:8080", "X-Forwarded-Host": "comments.example"},
    "sends http": {"Host": "comments.example", "X-Forwarded-Proto": "https"},
}
NOT_SET = "COMMENTSVC_PUBLIC_URL is not set."


@pytest.fixture
async def link(service):
    await moderators.add_moderator(service, "Ada", None, [])
    address = await moderators.create_sign_in_link(service, "Ada")
    return "/sign-in/" + address.rpartition("/")[2]


@pytest.mark.parametrize("headers", PROXIES.values(), ids=PROXIES)
async def test_a_moderator_behind_tls_reads_that_the_public_url_is_missing(client, service, link, headers):
    for path, form in ((link, {}), ("/moderate/sign-in", {"key": "cs_a-key"})):
        page = await client.post(path, data=form, headers=headers | NAVIGATES, allow_redirects=False)
        assert (page.status, page.content_type, "Set-Cookie" in page.headers) == (403, "text/html", False)
        text = await page.text()
        assert text.count(NOT_SET) == 1
        assert text.count("You can sign in only over https.") == 1
        assert "Set it to the https address of the service, and restart." in text
        program = await client.post(path, data=form, headers=headers | {"Sec-Fetch-Site": "same-origin"})
        problem = await program.json()
        assert (program.status, program.content_type) == (403, "application/problem+json")
        assert (problem["code"], problem["title"]) == ("https_required", "You can sign in only over https.")
        assert problem["detail"].startswith(NOT_SET)
    assert await find_invited_name(service, link.rpartition("/")[2]) == "Ada", "the link is still valid"


@pytest.mark.parametrize("name", ["keeps the host", "names both", "sends http"])
async def test_the_sign_in_pages_say_at_once_which_setting_is_missing(client, link, name):
    for path, status in ((link, 200), ("/moderate", 401)):
        page = await client.get(path, headers=PROXIES[name])
        assert page.status == status
        text = await page.text()
        assert NOT_SET in text
        assert "<form" not in text, "nobody types a key that cannot be used"


async def test_a_moderator_reads_that_the_public_url_is_not_https(served, aiohttp_client):
    client = await aiohttp_client(application(await served(public_url="http://comments.example")))
    for headers in PROXIES.values():
        refused = await client.post("/moderate/sign-in", data={"key": "x"}, headers=headers)
        assert (await refused.json())["detail"].startswith("COMMENTSVC_PUBLIC_URL is not an https address.")


async def test_a_moderator_on_this_computer_needs_no_setting(client, link):
    headers = {"Host": "localhost:8080", "Origin": "http://localhost:8080", "X-Forwarded-Host": "localhost"}
    assert (await client.post(link, headers=headers | NAVIGATES, allow_redirects=False)).status == 303


async def test_with_the_public_url_set_a_moderator_signs_in_behind_every_proxy(served, aiohttp_client):
    service = await served(public_url="https://comments.example")
    client = await aiohttp_client(application(service))
    await moderators.add_moderator(service, "Ada", None, [])
    for headers in PROXIES.values():
        path = (await moderators.create_sign_in_link(service, "Ada")).removeprefix("https://comments.example")
        assert (await client.post(path, headers=headers | NAVIGATES, allow_redirects=False)).status == 303


def warnings_in(caplog):
    return [record.message for record in caplog.records if "TRUSTED_PROXIES" in record.message]


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "203.0.113.7"}, {"Forwarded": "for=203.0.113.7"}])
@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
async def test_an_operator_is_warned_once_of_a_proxy_that_is_not_trusted(
    served, aiohttp_client, caplog, headers, trusted
):
    client = await aiohttp_client(application(await served(trusted_proxies=trusted)))
    for number in range(3):
        await client.post("/v1/comments", json=fields_of(comment=f"Number {number}."), headers=headers)
        await client.get("/v1/comments?thread=/a-page/", headers=headers)
    [warning] = warnings_in(caplog)
    assert "from 127.0.0.1 are ignored" in warning
    assert "203.0.113" not in caplog.text


async def test_a_trusted_proxy_and_a_reader_without_one_cause_no_warning(served, aiohttp_client, caplog):
    for settings, headers in (({"trusted_proxies": "127.0.0.1"}, {"X-Forwarded-For": "203.0.113.7"}), ({}, {})):
        client = await aiohttp_client(application(await served(**settings)))
        await client.get("/v1/comments?thread=/a-page/", headers=headers)
    assert warnings_in(caplog) == []


def test_each_private_peer_is_named_once_and_no_other(caplog):
    caplog.set_level(logging.WARNING)
    ignored = security.IgnoredProxies()
    private = ["127.0.0.1", "10.1.2.3", "172.17.0.1", "192.168.1.1", "169.254.1.1", "::1", "fd00::1", "fe80::1"]
    for address in [*private, "203.0.113.7", "198.51.100.7", "2001:db8::1", "100.64.0.1", "172.32.0.1", *private]:
        ignored.warn(address)
    assert len(warnings_in(caplog)) == len(private) + 1
    for address in private:
        assert sum(f"from {address} are" in text for text in warnings_in(caplog)) == 1
    assert sum("from a public address are" in text for text in warnings_in(caplog)) == 1


def test_strangers_fill_neither_log_nor_memory(caplog):
    ignored = security.IgnoredProxies()
    for number in range(20_000):
        ignored.warn(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        ignored.warn(f"2001:db8::{number:x}")
    assert len(warnings_in(caplog)) == security.MAX_IGNORED_PROXIES


def test_ipv4_written_as_ipv6_is_private_too():
    assert networks.is_internal("::ffff:10.1.2.3")
    assert not networks.is_internal("::ffff:203.0.113.7")
