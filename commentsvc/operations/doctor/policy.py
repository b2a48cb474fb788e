"""Tell whether a Content Security Policy lets a page use the widget (https://www.w3.org/TR/CSP3/)."""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from commentsvc.operations.doctor.document import ScriptTag
from commentsvc.operations.doctor.fetch import PORTS, origin_of

FALLBACKS: Final = {
    "script-src": ("script-src-elem", "script-src", "default-src"),
    "connect-src": ("connect-src", "default-src"),
    "form-action": ("form-action",),
}
TYPES: Final = "commentsvc"  # the policy of Trusted Types that the widget creates
SANDBOX_NEEDS: Final = ("allow-scripts", "allow-same-origin", "allow-forms")


def split_policies(headers: Sequence[str]) -> list[dict[str, list[str]]]:
    """Return each policy of these headers as directives with their sources. All policies must allow something."""
    policies = []
    for text in ",".join(headers).split(","):
        directives: dict[str, list[str]] = {}
        for part in text.split(";"):
            name, *sources = part.split()[:1], *part.split()[1:]
            if name:
                directives.setdefault(name[0].lower(), [str(one) for one in sources])  # a repeated one is ignored
        if directives:
            policies.append(directives)
    return policies


def find_blocked(headers: Sequence[str], page: str, script: ScriptTag, service: str) -> Iterator[tuple[str, str]]:
    """Yield the directives that block the widget, each with what mends it."""
    comments = f"{service}/v1/comments"
    for policy in split_policies(headers):
        name, sources = _find_sources(policy, "script-src")
        if sources is not None and not _allows_script(sources, page, script):
            if "'strict-dynamic'" in sources:
                yield name, f'<script async nonce="…" src="{script.url}"></script>, with the nonce of the policy'
            else:
                yield name, _with_source(name, sources, origin_of(script.url))
        for directive in ("connect-src", "form-action"):
            name, sources = _find_sources(policy, directive)
            if sources is not None and not _allows_url(sources, page, comments):
                yield name, _with_source(name, sources, origin_of(service))
        types = policy.get("trusted-types")
        is_required = "'script'" in policy.get("require-trusted-types-for", [])
        if is_required and types is not None and TYPES not in types and "*" not in types:
            yield "trusted-types", _with_source("trusted-types", types, TYPES)


def find_sandbox(headers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the sandboxes in which the widget does not work, each with what mends it. Those of pages have no effect."""
    for policy in split_policies(headers):
        allowed = policy.get("sandbox")
        missing = [one for one in SANDBOX_NEEDS if allowed is not None and one not in map(str.lower, allowed)]
        if missing:
            yield "sandbox", _with_source("sandbox", allowed or [], " ".join(missing))


def upgrades(headers: Sequence[str]) -> bool:
    """Return whether browsers load the scripts of an https page by https, also those with an http address."""
    return any("upgrade-insecure-requests" in policy for policy in split_policies(headers))


def _with_source(directive: str, sources: list[str], source: str) -> str:
    kept = [one for one in sources if one != "'none'"]
    return f"Content-Security-Policy: {' '.join([directive, *kept, source])}"


def _find_sources(policy: dict[str, list[str]], directive: str) -> tuple[str, list[str] | None]:
    for name in FALLBACKS[directive]:
        if name in policy:
            return (name if name != "default-src" else directive), policy[name]
    return directive, None


def _allows_script(sources: list[str], page: str, script: ScriptTag) -> bool:
    lower = [one.lower() for one in sources]
    nonce, digests = script.attributes.get("nonce", ""), script.attributes.get("integrity", "").split()
    if nonce and f"'nonce-{nonce}'" in sources:
        return True
    if digests and all(f"'{digest}'" in sources for digest in digests):
        return True
    return "'strict-dynamic'" not in lower and _allows_url(sources, page, script.url)


def _allows_url(sources: list[str], page: str, url: str) -> bool:
    return any(_matches(source, page, url) for source in sources)


def _matches(source: str, page: str, url: str) -> bool:
    """Return whether a source expression matches an address (CSP3, 6.7.2.8)."""
    source, target = source.lower(), urlsplit(url)
    if source == "*":
        return target.scheme in PORTS
    if source == "'self'":
        return _is_same(page, url)
    if source.startswith("'"):
        return False
    if source.endswith(":") and "/" not in source:
        return target.scheme == source[:-1] or (source == "http:" and target.scheme == "https")
    scheme, found, rest = source.rpartition("://")
    scheme = scheme if found else urlsplit(page).scheme
    if not (target.scheme == scheme or (scheme == "http" and target.scheme == "https")):
        return False
    authority, slash, path = rest.partition("/")
    return _matches_host(authority, url) and _matches_path(slash + path, target.path)


def _is_same(page: str, url: str) -> bool:
    ours, theirs = origin_of(page), origin_of(url)
    return theirs in {ours, ours.replace("http://", "https://", 1)}


def _matches_host(authority: str, url: str) -> bool:
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    host = host if colon else authority
    target = urlsplit(url)
    actual = str(target.port or PORTS[target.scheme])
    wanted = port if colon else str(PORTS[target.scheme])
    name = (target.hostname or "").lower()
    is_host = name.endswith(host[1:]) if host.startswith("*.") else host in {"*", f"[{name}]", name}
    return is_host and wanted in {"*", actual}


def _matches_path(wanted: str, path: str) -> bool:
    if wanted in {"", "/"} and not wanted.strip("/"):
        return True
    return path.startswith(wanted) if wanted.endswith("/") else path == wanted
