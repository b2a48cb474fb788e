"""Check a page of the blog: what a browser would do with the widget on it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from commentsvc.config.settings import Config
from commentsvc.domain import urls
from commentsvc.domain.errors import Invalid
from commentsvc.operations.doctor import policy
from commentsvc.operations.doctor.document import Document, ScriptTag, read_document
from commentsvc.operations.doctor.fetch import Answer, FetchFailed, Request, fetch, is_success
from commentsvc.operations.doctor.findings import Finding, fault, ok, warning

SOON_DAYS: Final = 14
CLOCK_SECONDS: Final = 60


@dataclass(frozen=True)
class BlogPage:
    """A page of the blog, as a browser gets it."""

    answer: Answer
    document: Document
    script: ScriptTag | None  # the widget's
    service: str  # the address of the service that the page names, or else that of the settings


def fetch_page(url: str, config: Config) -> BlogPage:
    """Return a page of the blog.

    Raises:
        FetchFailed: there is no answer, or no page.
    """
    answer = fetch(Request(url, headers={"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Dest": "document"}))
    if not is_success(answer):
        raise FetchFailed(f"{answer.url} answers {answer.status}.")
    if answer.kind not in {"text/html", "application/xhtml+xml"}:
        raise FetchFailed(f"{answer.url} is not a page: its type is {answer.kind or 'missing'}.")
    document = read_document(answer.url, answer.text())
    if document.refresh and document.refresh != answer.url:
        raise FetchFailed(f"{answer.url} sends its readers to {document.refresh}.")
    script = _find_widget(document, config.own_url)
    if script and answer.url.startswith("https:") and policy.upgrades(_list_policies(answer, document)):
        script = replace(script, url=script.url.replace("http:", "https:", 1))
    return BlogPage(answer, document, script, _service_of(script) if script else config.own_url)


def _list_policies(answer: Answer, document: Document) -> list[str]:
    return [*(answer.headers.get_all("Content-Security-Policy") or []), *document.policies]


def _find_widget(document: Document, service: str) -> ScriptTag | None:
    """Return the widget's script: that of our address, or else one with its name."""
    ours = [one for one in document.widgets if one.url.startswith(f"{service}/")]
    return next(iter([*ours, *document.widgets]), None)


def _service_of(script: ScriptTag) -> str:
    address = script.url.partition("?")[0]
    folder = address.rpartition("/")[0]
    return folder.removesuffix("/js").removesuffix("/web")


def check_page(page: BlogPage, config: Config) -> Iterator[Finding]:
    """Yield what a browser would meet on the page itself."""
    yield from _check_redirects(page)
    yield from check_certificate("page", page.answer)
    yield from _check_script_tag(page, config)
    if page.script is not None:
        yield from _check_mixed_content(page, page.script)
        yield from _check_policy(page, page.script)
    yield from _check_thread_name(page, config)


def _check_redirects(page: BlogPage) -> Iterator[Finding]:
    answer = page.answer
    if answer.chain:
        yield warning(
            "page",
            f"{answer.chain[0]} redirects to {answer.url}.",
            f"Link to {answer.url}: comments belong to the address at which readers arrive.",
        )
    else:
        yield ok("page", f"{answer.url} answers {answer.status}.")


def check_certificate(check: str, answer: Answer) -> Iterator[Finding]:
    """Yield whether a certificate ends soon, and whether the server has another time."""
    host = urlsplit(answer.url).netloc
    if answer.certificate_until is not None:
        days = (answer.certificate_until - datetime.now(UTC)).days
        if days < SOON_DAYS:
            yield warning(
                check,
                f"The certificate of {host} ends in {days} days.",
                "Find out why it was not renewed: certbot renew, or the log of Caddy.",
            )
    if abs(answer.offset) > CLOCK_SECONDS:
        yield warning(
            check,
            f"The clock of {host} differs from this one by {abs(answer.offset):,.0f} seconds.",
            "timedatectl set-ntp true",
        )


def _check_script_tag(page: BlogPage, config: Config) -> Iterator[Finding]:
    tag = f'<script async src="{config.own_url}/embed.js"></script>'
    script = page.script
    if script is None:
        yield fault(
            "script", "The page has no script of commentsvc. (A script that another one adds is not seen.)", tag
        )
        return
    if page.service != config.own_url:
        yield fault(
            "script",
            f"The page loads {script.url}, but the service has the address {config.own_url}.",
            f"{tag}, or COMMENTSVC_PUBLIC_URL={page.service}",
        )
    elif not script.runs:
        yield fault(
            "script",
            f"Browsers do not run the script: it has {_name_attribute(script)}. A proxy may have changed it.",
            f'<script async data-cfasync="false" src="{script.url}"></script>',
        )
    elif script.in_head and not page.document.threads:
        yield warning(
            "script",
            "The script is in the head, and the page has no place for comments.",
            "<comment-thread></comment-thread>",
        )
    else:
        yield ok("script", f"The page loads {script.url}.")


def _name_attribute(script: ScriptTag) -> str:
    return "the attribute nomodule" if "nomodule" in script.attributes else f"the type {script.attributes['type']}"


def _check_mixed_content(page: BlogPage, script: ScriptTag) -> Iterator[Finding]:
    if page.answer.url.startswith("https:") and script.url.startswith("http:"):
        yield fault(
            "mixed content",
            "The page has https and loads the script by http, which browsers block.",
            f'<script async src="{script.url.replace("http:", "https:", 1)}"></script>',
        )


def _check_policy(page: BlogPage, script: ScriptTag) -> Iterator[Finding]:
    headers = _list_policies(page.answer, page.document)
    blocked = dict.fromkeys(policy.find_blocked(headers, page.answer.url, script, page.service))
    blocked |= dict.fromkeys(policy.find_sandbox(page.answer.headers.get_all("Content-Security-Policy") or []))
    for directive, cure in blocked:
        says = f"The Content Security Policy of the page blocks the widget ({directive})."
        # Forms are sent by the script; the action counts only without it.
        yield warning("policy", says, cure) if directive == "form-action" else fault("policy", says, cure)
    if headers and not blocked:
        yield ok("policy", "The Content Security Policy of the page allows the widget.")


def _check_thread_name(page: BlogPage, config: Config) -> Iterator[Finding]:
    """Yield to which thread comments on this page belong, and which other addresses would have another one."""
    given = next((one["thread"] for one in page.document.threads if one.get("thread")), "")
    canonical, address = page.document.canonical, page.answer.url
    is_used = any("canonical" in one for one in page.document.threads)
    try:
        name = urls.parse_thread(given or (canonical if is_used and canonical else address), config.dropped).name
        other = urls.parse_thread(canonical, config.dropped) if canonical and not given else None
    except Invalid as error:
        yield fault(
            "thread",
            f"The page has no valid address for comments: {error.detail}",
            f'<link rel="canonical" href="{address}">',
        )
        return
    if other and other.name != name:
        yield warning(
            "thread",
            f"Comments belong to the thread {name}, but the canonical address is {canonical}.",
            "<comment-thread canonical></comment-thread>, or correct <link rel=canonical>",
        )
    elif other and other.host and other.host != urls.parse_thread(address).host:
        yield warning(
            "thread",
            f"The canonical address is on another host ({other.host}).",
            f'<link rel="canonical" href="{address}">',
        )
    else:
        yield ok("thread", f"Comments on this page belong to the thread {name}.")
