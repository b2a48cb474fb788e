"""Test what the doctor sees of a blog's page and of the service, as a browser would."""

import asyncio

import msgspec
import pytest

from commentsvc.operations.doctor.document import ScriptTag
from commentsvc.operations.doctor.examination import examine_outside
from commentsvc.operations.doctor.fetch import Request, fetch
from commentsvc.operations.doctor.findings import Level
from commentsvc.operations.doctor.policy import find_blocked
from tests.conftest import SECRET
from tests.operations.blog import blog
from tests.proxies import free_port, started


@pytest.fixture
def a_blog():
    with blog() as found:
        yield found


@pytest.fixture
def examined(live, a_blog):
    """Return a function that starts the service for the blog, and examines a page."""

    async def examine(show, **settings):
        _, service = await live(**{"sites": a_blog.url, "secret_key": SECRET} | settings)
        return await examine_outside(service.config, show(service.config.own_url))

    return examine


def bad(findings, check=None):
    return [one for one in findings if one.level is not Level.OK and check in {None, one.check}]


async def test_a_page_that_works_has_no_findings(examined, a_blog):
    found = await examined(a_blog.show_widget)
    assert not bad(found)
    assert {one.check for one in found} == {"address", "forwarding", "page", "script", "thread", "proxy", "origin"}
    assert "Comments on this page belong to the thread /post." in [one.says for one in found]


async def test_an_origin_that_is_not_listed_names_the_setting(examined, a_blog):
    [fault] = bad(await examined(a_blog.show_widget, sites="https://other.example"))
    assert (fault.check, fault.level) == ("origin", Level.FAULT)
    assert f"COMMENTSVC_SITES={a_blog.url}" in fault.cure


@pytest.mark.parametrize(
    ("policy", "cures"),
    [
        ("default-src 'self'", ["script-src 'self' {}", "connect-src 'self' {}"]),
        ("script-src 'none'; connect-src *", ["script-src {}"]),
        ("script-src {}; connect-src {}; form-action 'self'", ["form-action 'self' {}"]),
        ("script-src {}; require-trusted-types-for 'script'; trusted-types blog", ["trusted-types blog commentsvc"]),
        ("script-src 'strict-dynamic' 'nonce-x' {}", ["<script async nonce"]),
        ("script-src {}; connect-src {}; require-trusted-types-for 'script'; trusted-types commentsvc", []),
        ("img-src 'none'", []),
    ],
)
async def test_a_policy_that_blocks_the_widget_is_quoted_with_what_it_lacks(examined, a_blog, policy, cures):
    service = []

    def show(url):
        service.append(url)
        return a_blog.show_widget(url, Content_Security_Policy=policy.replace("{}", url))

    found = bad(await examined(show), "policy")
    assert len(found) == len(cures)
    for one, cure in zip(found, cures, strict=True):
        assert cure.replace("{}", service[0]) in one.cure


async def test_a_policy_in_the_page_counts_too(examined, a_blog):
    meta = "<meta http-equiv=Content-Security-Policy content=\"connect-src 'none'\">"
    [fault] = bad(await examined(lambda url: a_blog.show_widget(url, meta)))
    assert "(connect-src)" in fault.says


async def test_a_page_without_the_script_gets_the_line_to_add(examined, a_blog):
    [fault] = bad(await examined(lambda _: a_blog.show("<p>A post")))
    assert fault.cure.endswith('/embed.js"></script>')


async def test_a_script_of_another_address_names_both(examined, a_blog):
    found = await examined(lambda url: a_blog.show_widget(url.replace("127.0.0.1", "localhost")))
    [fault] = bad(found)
    assert fault.says.startswith("The page loads http://localhost:")
    assert "COMMENTSVC_PUBLIC_URL=http://localhost:" in fault.cure


@pytest.mark.parametrize(
    ("html", "says"),
    [
        ('<script type="8f-text/javascript" src="{}/embed.js"></script>', "Browsers do not run the script"),
        ('<head><script src="{}/embed.js"></script></head>', "the page has no place for comments"),
        ('<script integrity="sha384-AAAA" crossorigin src="{}/embed.js"></script>', "The integrity in the page"),
        ('<script src="{}/embed.0000.js"></script>', "answers 404"),
    ],
)
async def test_a_script_that_would_not_run_is_found(examined, a_blog, html, says):
    found = bad(await examined(lambda url: a_blog.show(html.replace("{}", url))))
    assert any(says in one.says for one in found), found


async def test_a_redirect_and_another_canonical_address_are_named(examined, a_blog):
    def show(url):
        canonical = f'<link rel="canonical" href="{a_blog.url}/other/">'
        a_blog.show_widget(url, canonical)
        return a_blog.show("", "/old", status=301, Location="/post/")

    redirected, canonical = bad(await examined(show))
    assert redirected.says == f"{a_blog.url}/old redirects to {a_blog.url}/post/."
    assert "/other/" in canonical.says


def test_a_redirect_to_another_host_does_not_get_the_token_of_the_doctor(a_blog):
    with blog() as other:
        a_blog.show("", "/same", status=302, Location="/away")
        a_blog.show("", "/away", status=302, Location=f"{other.url}/post/")
        other.show("Here.")
        answer = fetch(Request(f"{a_blog.url}/same", headers={"Authorization": "Bearer secret"}))
        assert answer.text() == "Here."
        assert (a_blog.credentials, other.credentials) == (["Bearer secret"] * 2, [])


async def test_a_service_that_does_not_run_is_a_fault(live):
    _, service = await live()
    config = msgspec.structs.replace(service.config, public_url=f"http://127.0.0.1:{free_port()}")
    [fault] = await examine_outside(config, None)
    assert fault.level is Level.FAULT
    assert "did not answer" in fault.says


async def test_an_address_of_another_program_is_a_fault(live, a_blog):
    _, service = await live()
    [fault] = await examine_outside(msgspec.structs.replace(service.config, public_url=a_blog.url), None)
    assert "is not commentsvc" in fault.says


async def test_an_https_page_must_not_load_the_script_by_http(live, tmp_path, monkeypatch):
    with blog(tmp_path) as secure:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
        url, service = await live(sites=secure.url, secret_key=SECRET)
        found = bad(await examine_outside(service.config, secure.show_widget(url)))
    assert [one.check for one in found] == ["page", "mixed content"]
    assert "certificate of 127.0.0.1" in found[0].says  # it ends in two days
    assert 'src="https://' in found[1].cure


async def test_a_certificate_that_browsers_reject_is_a_fault(live, tmp_path):
    with blog(tmp_path) as secure:
        url, service = await live(secret_key=SECRET)
        found = bad(await examine_outside(service.config, secure.show_widget(url)))
    assert "Browsers reject the certificate" in found[-1].says


NGINX = """
user root; worker_processes 1; pid {folder}/pid; error_log {folder}/errors; events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{service}; {lines} }} }}
}}
"""
CORP = "Cross-Origin-Resource-Policy"
TRUSTED = {"trusted_proxies": "127.0.0.1"}
TELLS = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Host $http_host;"
# Clients write the last address of this header themselves.
BELIEVES = (
    "proxy_bind 127.0.0.2; proxy_set_header Host $http_host; "
    'proxy_set_header X-Forwarded-For "$remote_addr, $http_x_forwarded_for";'
)


@pytest.mark.parametrize(
    ("lines", "settings", "checks"),
    [
        (TELLS, TRUSTED, []),
        (TELLS, {}, ["forwarding"]),
        (f"{TELLS} proxy_bind 127.0.0.2;", {"trusted_proxies": "127.0.0.2"}, []),
        (BELIEVES, {"trusted_proxies": "127.0.0.2"}, ["forwarding"]),
        (f"{TELLS} proxy_set_header Host other;", TRUSTED, ["forwarding"]),
        (f"{TELLS} add_header Access-Control-Allow-Origin *;", TRUSTED, ["origin"]),
        (f"{TELLS} if ($request_method = OPTIONS) {{ return 204; }}", TRUSTED, ["origin"]),
        (
            f"{TELLS} proxy_hide_header ETag; proxy_hide_header Cache-Control;",
            TRUSTED,
            ["proxy", "proxy"],
        ),
        (f"{TELLS} add_header Set-Cookie a=b;", TRUSTED, ["proxy"]),
        (
            f"{TELLS} proxy_hide_header {CORP}; add_header {CORP} same-origin;",
            TRUSTED,
            ["script"],
        ),
    ],
)
async def test_what_a_proxy_changes_is_found(live, a_blog, tmp_path, lines, settings, checks):
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    url, service = await live(public_url=public, sites=a_blog.url, secret_key=SECRET, **settings)
    config = NGINX.format(folder=tmp_path, port=port, service=url.rpartition(":")[2], lines=lines)
    if lines.count("proxy_set_header Host") > 1:
        config = config.replace("proxy_set_header Host $http_host;", "")
    with await asyncio.to_thread(lambda: started("nginx", tmp_path, config)):
        found = bad(await examine_outside(service.config, a_blog.show_widget(public)))
    assert [one.check for one in found] == checks, found
    assert all(one.cure for one in found)


@pytest.mark.parametrize(
    ("source", "url", "allowed"),
    [
        ("https://c.example", "https://c.example/embed.js", True),
        ("c.example", "https://c.example/embed.js", True),
        ("http://c.example", "https://c.example/embed.js", True),
        ("*.example", "https://c.example/embed.js", True),
        ("https:", "https://c.example/embed.js", True),
        ("https://c.example:*", "https://c.example:8443/embed.js", True),
        ("https://c.example/embed.js", "https://c.example/embed.js", True),
        ("https://c.example/js/", "https://c.example/embed.js", False),
        ("https://c.example", "https://c.example:8443/embed.js", False),
        ("https://c.example", "http://c.example/embed.js", False),
        ("*.c.example", "https://c.example/embed.js", False),
        ("'none'", "https://c.example/embed.js", False),
        ("'unsafe-inline'", "https://c.example/embed.js", False),
        ("'self'", "https://blog.example/embed.js", True),
    ],
)
def test_sources_match_as_in_browsers(source, url, allowed):
    script = ScriptTag(url, {}, in_head=False)
    found = list(find_blocked([f"script-src {source}"], "https://blog.example/a", script, "https://c.example"))
    assert bool(found) != allowed


async def test_strangers_do_not_learn_what_the_service_sees(live, browser_less):
    url, _ = await live()
    for headers in ({}, {"Authorization": "Bearer ce_AAAA"}):
        async with browser_less.get(f"{url}/v1/seen", headers=headers) as answer:
            assert answer.status == 404
