"""Parse the addresses of sites and of the service in the settings."""

import re
from functools import lru_cache
from typing import Final

from commentsvc.config import PREFIX
from commentsvc.domain import urls
from commentsvc.domain.errors import ConfigurationError

# Scheme, host and port; then a path of characters that mean the same in links, cookies and routes (RFC 3986, 2.3).
PUBLIC_URL: Final = re.compile(r"([a-z]+://[^/?#]+)((?:/(?!\.{1,2}(?:/|$))[\w.~-]+)*)/?", re.ASCII | re.IGNORECASE)


@lru_cache(maxsize=8)  # every request asks several times
def parse_public_url(text: str) -> tuple[str, str]:
    """Return the origin and the path of ``PUBLIC_URL``, both without a slash at their end.

    Raises:
        ConfigurationError: it is not an address of http or https, or has more than a plain path.
    """
    match = PUBLIC_URL.fullmatch(text.strip())
    try:
        return urls.parse_origin(match[1] if match else ""), match[2] if match else ""
    except ValueError:
        raise ConfigurationError(
            f"{PREFIX}PUBLIC_URL is not a valid address. Use scheme and host, and a path if the service has one, "
            "such as https://comments.example or https://blog.example/comments."
        ) from None


def parse_site_origin(text: str) -> str:
    """Return an origin of ``sites``, perhaps with a wildcard, in canonical form.

    Raises:
        ConfigurationError: it is not an origin, or its wildcard is too wide.
    """
    try:
        return urls.parse_site_origin(text)
    except ValueError:
        raise ConfigurationError(
            f"{PREFIX}SITES contains an invalid origin. Use scheme and host without a path, "
            "such as https://blog.example or https://*.netlify.app."
        ) from None
