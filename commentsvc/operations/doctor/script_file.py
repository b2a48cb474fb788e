"""Check whether a browser runs the file of the widget's script on a page, or discards it."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from commentsvc.operations.doctor.document import ScriptTag
from commentsvc.operations.doctor.fetch import Answer, origin_of
from commentsvc.operations.doctor.findings import Finding, fault
from commentsvc.operations.doctor.page import BlogPage

# The strongest first: browsers look at no other one. https://www.w3.org/TR/SRI/#get-the-strongest-metadata
DIGESTS: Final = ("sha512", "sha384", "sha256")


def check_digest(page: BlogPage, script: ScriptTag, answer: Answer) -> Iterator[Finding]:
    """Yield whether the digest in the page is that of the file, and whether browsers can compare them."""
    wanted = [one.partition("?")[0] for one in script.attributes.get("integrity", "").split()]
    kind = next((one for one in DIGESTS if any(text.startswith(f"{one}-") for text in wanted)), None)
    if kind is None:
        return
    found = f"{kind}-{base64.b64encode(hashlib.new(kind, answer.body).digest()).decode()}"
    if found not in wanted:
        yield fault(
            "script",
            "The integrity in the page is not that of the script, so browsers do not run it.",
            f'integrity="{found}"',
        )
    elif "crossorigin" not in script.attributes and _is_foreign(page, script):
        yield fault(
            "script",
            "Browsers do not run a script of another origin with integrity, but without crossorigin.",
            'crossorigin="anonymous"',
        )


def check_isolation(page: BlogPage, script: ScriptTag, answer: Answer) -> Iterator[Finding]:
    """Yield whether policies of the page or of the file keep them apart (Fetch standard, cross-origin resource policy).

    A script with crossorigin is loaded by CORS instead, which the service allows.
    """
    if "crossorigin" in script.attributes or not _is_foreign(page, script):
        return
    policy = answer.header("Cross-Origin-Resource-Policy").lower()
    needs = page.answer.header("Cross-Origin-Embedder-Policy").partition(";")[0].strip().lower()
    if policy == "same-origin" or (policy == "same-site" and not _is_same_site(page.answer.url, script.url)):
        yield fault(
            "script",
            f"A proxy adds Cross-Origin-Resource-Policy: {policy}, so other sites cannot load the script.",
            "nginx: proxy_hide_header Cross-Origin-Resource-Policy; and remove its add_header",
        )
    elif needs == "require-corp" and not policy:
        yield fault(
            "policy",
            "The page has Cross-Origin-Embedder-Policy: require-corp, which blocks the script.",
            f'<script async crossorigin src="{script.url}"></script>',
        )


def _is_foreign(page: BlogPage, script: ScriptTag) -> bool:
    return origin_of(page.answer.url) != origin_of(script.url)


def _is_same_site(page: str, script: str) -> bool:
    """Return whether two addresses belong to one site. Without a list of public suffixes, it has two labels."""
    ours, theirs = urlsplit(page), urlsplit(script)
    labels = [(one.hostname or "").rsplit(".", 2)[-2:] for one in (ours, theirs)]
    return ours.scheme == theirs.scheme and labels[0] == labels[1]
