"""Likely typing errors in the domain of an email address. A suggestion never refuses an address."""

from typing import Final

# Large mail providers. Those that differ in one letter from one another must all be here: ymail.com is no wrong
# gmail.com.
KNOWN: Final = (
    "gmail.com", "googlemail.com", "hotmail.com", "hotmail.fr", "hotmail.co.uk", "outlook.com", "outlook.fr",
    "outlook.de", "yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "icloud.com", "protonmail.com",
    "proton.me", "fastmail.com", "mail.com", "email.com", "ymail.com", "rocketmail.com", "mailbox.org",
    "posteo.de", "freenet.de", "t-online.de", "orange.fr", "wanadoo.fr", "laposte.net", "libero.it",
    "virgilio.it", "comcast.net", "verizon.net", "yandex.com", "yandex.ru", "naver.com", "mail.ru",
)  # fmt: skip
SHORTEST: Final = 8  # shorter domains resemble too many others


def suggest_address(address: str) -> str | None:
    """Return the address with the domain that was probably meant; None if nothing is wrong.

    One letter is missing, added or wrong, or two are swapped, such as in gmial.com. embed-form.js does the same with
    the same list.
    """
    local, _, typed = address.strip().rpartition("@")
    domain = typed.lower()
    if not local or domain in KNOWN:
        return None
    meant = next((known for known in KNOWN if _is_meant(domain, known)), None)
    return f"{local}@{meant}" if meant else None


def _is_meant(typed: str, known: str) -> bool:
    # yahoo.dk is no wrong yahoo.de: a country stays as it was typed.
    ending = known[known.rindex(".") :]
    return (
        len(known) > SHORTEST and (len(ending) > len(".de") or typed.endswith(ending)) and _differs_by_one(typed, known)
    )


def _differs_by_one(typed: str, known: str) -> bool:
    start = 0
    while start < min(len(typed), len(known)) and typed[start] == known[start]:
        start += 1
    rest, due = typed[start:], known[start:]
    return due[1:] in {rest, rest[1:]} or due == rest[1:] or (due[1::-1] == rest[:2] and due[2:] == rest[2:])
