"""An email address that cannot be printed by accident."""

from commentsvc.domain.urls import normalise_host


class Email:
    """An email address. Nothing that prints it shows it; whoever needs it asks with ``reveal``."""

    __slots__ = ("_address",)

    def __init__(self, address: str) -> None:
        self._address = address

    def reveal(self) -> str:
        """The address itself."""
        return self._address

    def masked(self) -> str:
        """Its first letter and its domain: ``m…@example.com``."""
        local, _, domain = self._address.rpartition("@")
        return f"{local[:1]}…@{domain}"

    def domain(self) -> str:
        """What stands after the @, as it travels."""
        return normalise_host(self._address.rpartition("@")[2])

    def folded(self) -> str:
        """The same for every spelling that reaches the same mailbox in practice: letter case is ignored."""
        return self._address.casefold()

    def __repr__(self) -> str:
        return "Email(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Email) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)
