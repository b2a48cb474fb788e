"""Check the service at its public address, as the widget on a page of the blog uses it."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec

from commentsvc.config import PREFIX
from commentsvc.config.settings import Config
from commentsvc.operations.doctor.document import ScriptTag
from commentsvc.operations.doctor.fetch import Answer, FetchFailed, Request, fetch, is_success, origin_of
from commentsvc.operations.doctor.findings import Finding, fault, ok, warning
from commentsvc.operations.doctor.page import BlogPage, check_certificate
from commentsvc.operations.doctor.script_file import check_digest, check_isolation

JAVASCRIPT: Final = frozenset({"text/javascript", "application/javascript"})
NGINX_PLAIN: Final = "proxy_pass http://127.0.0.1:8080;"


def check_public_address(config: Config) -> Iterator[Finding]:
    """Yield whether the service answers at its public address."""
    try:
        version = fetch(Request(f"{config.own_url}/version"))
        ready = fetch(Request(f"{config.own_url}/readyz"))
    except FetchFailed as error:
        cure = "Renew the certificate." if error.certificate else f"Start the service, or correct {PREFIX}PUBLIC_URL."
        yield fault("address", str(error), cure)
        return
    if not is_success(version) or b'"commentsvc"' not in version.body:
        yield fault(
            "address",
            f"{config.own_url}/version answers {version.status}, and is not commentsvc.",
            f"Correct {PREFIX}PUBLIC_URL, or let the proxy send this path to the service: {NGINX_PLAIN}",
        )
        return
    if not is_success(ready):
        yield fault("address", f"The service is not ready: {_read_detail(ready)}", "See the log of the service.")
    elif version.chain:
        yield warning(
            "address",
            f"{config.own_url} redirects to {version.url}.",
            f"{PREFIX}PUBLIC_URL={version.url.removesuffix('/version')}",
        )
    else:
        yield ok("address", f"commentsvc answers at {config.own_url}.")
    yield from check_certificate("address", version)


def check_for_page(page: BlogPage) -> Iterator[Finding]:
    """Yield whether a browser that shows this page can load the script and the comments."""
    try:
        if page.script is not None:
            yield from _check_script(page, page.script)
        yield from _check_origin(page)
    except FetchFailed as error:
        cure = "Renew the certificate." if error.certificate else "Start the service, or correct the address."
        yield fault("script", str(error), cure)


def _check_script(page: BlogPage, script: ScriptTag) -> Iterator[Finding]:
    answer = fetch(Request(script.url, headers={"Sec-Fetch-Dest": "script", "Referer": page.answer.url}))
    if not is_success(answer):
        yield fault(
            "script", f"{script.url} answers {answer.status}.", f"Let the proxy send this path on: {NGINX_PLAIN}"
        )
        return
    if answer.kind not in JAVASCRIPT:
        yield fault(
            "script",
            f"The script has the type {answer.kind or 'missing'}, which browsers do not run.",
            "Let the proxy keep Content-Type. nginx: remove default_type and add_header Content-Type there.",
        )
        return
    yield from check_digest(page, script, answer)
    yield from check_isolation(page, script, answer)
    yield from _check_proxy(answer)


def _check_proxy(answer: Answer) -> Iterator[Finding]:
    """Yield what a proxy has changed in the answer with the script."""
    changes = list(_find_changes(answer))
    for says, cure in changes:
        yield warning("proxy", says, cure)
    tag = answer.header("ETag")
    if not tag or changes:
        return
    again = fetch(Request(answer.url, headers={"If-None-Match": tag}))
    if again.status == HTTPStatus.NOT_MODIFIED:
        yield ok("proxy", "Answers arrive as the service sends them, and can be cached.")
    else:
        cure = "nginx: remove proxy_set_header If-None-Match"
        yield warning("proxy", "A proxy does not pass on If-None-Match.", cure)


def _find_changes(answer: Answer) -> Iterator[tuple[str, str]]:
    """Yield each change of the headers, with the line of nginx or Caddy that may cause it."""
    tag = answer.header("ETag")
    if not tag:
        yield "A proxy removes the ETag, so browsers load the script again.", "nginx: remove etag off; and sub_filter"
    elif tag.startswith("W/"):
        yield "A proxy compresses or rewrites the script (weak ETag).", "nginx: gzip off; Caddy: no encode here"
    if "max-age" not in answer.header("Cache-Control"):
        yield "A proxy removes Cache-Control.", "nginx: remove expires and add_header Cache-Control"
    if answer.header("Set-Cookie"):
        yield "A proxy sets a cookie, so caches do not keep the script.", "nginx: proxy_hide_header Set-Cookie;"
    if "nosniff" not in answer.header("X-Content-Type-Options"):
        cure = "nginx: remove proxy_hide_header X-Content-Type-Options"
        yield "A proxy removes X-Content-Type-Options.", cure


def _check_origin(page: BlogPage) -> Iterator[Finding]:
    """Yield whether pages of this origin may read comments and write them (Fetch standard, CORS protocol)."""
    origin, service = origin_of(page.answer.url), page.service
    if origin == origin_of(service):
        yield ok("origin", "The page and the service have the same origin.")
        return
    url = f"{service}/v1/comments?thread={quote(page.answer.url, safe='')}"
    answer = fetch(Request(url, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}))
    allowed = answer.headers.get_all("Access-Control-Allow-Origin") or []
    if answer.status == HTTPStatus.FORBIDDEN:
        yield fault(
            "origin",
            f"The service does not allow pages of {origin}.",
            f"{PREFIX}SITES={origin}, or: commentsvc site add NAME --origin {origin}",
        )
        return
    if not is_success(answer):
        yield fault(
            "origin",
            f"The list of comments answers {answer.status}: {_read_detail(answer)}",
            "See the log of the service.",
        )
        return
    if len(allowed) != 1 or allowed[0] not in {origin, "*"}:
        names = " and ".join(allowed) or "none"
        yield fault(
            "origin",
            f"A proxy changes Access-Control-Allow-Origin ({names}), so browsers hide the comments.",
            "nginx: remove add_header Access-Control-Allow-Origin; the service sends it",
        )
        return
    yield from _check_preflight(service, origin)


def _check_preflight(service: str, origin: str) -> Iterator[Finding]:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type"}
    answer = fetch(Request(f"{service}/v1/comments", "OPTIONS", {"Origin": origin} | asked), follow=False)
    methods = answer.header("Access-Control-Allow-Methods").upper()
    if is_success(answer) and answer.header("Access-Control-Allow-Origin") == origin and "PATCH" in methods:
        yield ok("origin", f"Pages of {origin} can show, write and edit comments.")
    else:
        yield fault(
            "origin",
            f"A proxy answers OPTIONS itself ({answer.status}), so commenters cannot edit their comments.",
            f"nginx: remove limit_except and if ($request_method = OPTIONS); keep {NGINX_PLAIN}",
        )


def _read_detail(answer: Answer) -> str:
    try:
        problem = msgspec.json.decode(answer.body, type=dict[str, object])
    except msgspec.DecodeError:
        return "no reason was given."
    return str(problem.get("detail") or problem.get("title") or "no reason was given.")[:200]
