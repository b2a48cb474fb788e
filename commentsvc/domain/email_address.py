"""Email addresses that cannot be printed or logged by accident."""

from typing import Final

from commentsvc.domain.urls import normalise_host


class Email:
    """An email address. Printing it shows nothing; call ``reveal`` to read it."""

    __slots__ = ("_address",)

    def __init__(self, address: str) -> None:
        self._address = address

    def reveal(self) -> str:
        """Return the address."""
        return self._address

    def masked(self) -> str:
        """Return the first letter and the domain: ``m…@example.com``."""
        local, at, domain = self._address.rpartition("@")
        return f"{local[:1]}…@{domain}" if at else self._address

    def domain(self) -> str:
        """Return the domain as ASCII (IDNA 2008), in lower case."""
        return normalise_host(self._address.rpartition("@")[2])

    def casefolded(self) -> str:
        """Return the address without differences of letter case, since mailboxes ignore case in practice.

        ``str.casefold`` would also make ss of ß, which is another mailbox: its owner would prove both addresses.
        """
        return self._address.lower()

    def __repr__(self) -> str:
        return "Email(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Email) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)


# Shown for an address that no listed secret key opens. It has no @, so it equals no address, and no rule matches it.
UNREADABLE: Final = Email("unreadable")
