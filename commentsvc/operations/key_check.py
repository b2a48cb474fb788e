"""Check that the secret keys open what the database holds."""

from collections import Counter
from typing import Final

import msgspec

from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations import secret_file
from commentsvc.service import private_read
from commentsvc.storage import contacts, installation, moderators, rules, sealed
from commentsvc.storage.database import PrivateRead


class Sealed(msgspec.Struct, frozen=True):
    """The numbers of email addresses and texts that a secret key encrypts, by what they belong to."""

    comments: int = 0
    moderators: int = 0
    bans: int = 0
    addresses: int = 0  # that asked for mail
    mails: int = 0
    webhooks: int = 0  # texts: addresses, secrets and requests

    def __add__(self, other: "Sealed") -> "Sealed":
        added = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Sealed(*(one + more for one, more in added))

    def describe(self) -> str:
        """Return what the key encrypts, in words."""
        emails = sum(msgspec.structs.astuple(self)) - self.webhooks
        parts = [f"{emails:,} email {'address' if emails == 1 else 'addresses'}"] if emails or not self.webhooks else []
        if self.webhooks:
            parts.append(f"{self.webhooks:,} {'text' if self.webhooks == 1 else 'texts'} of webhooks")
        return " and ".join(parts)


@private_read
async def is_new(unit: PrivateRead) -> bool:
    """Return whether no start has finished on this database. Then no secret key belongs to it yet."""
    return await installation.get_fingerprint(unit) is None


# In the order of the fields of ``Sealed``.
COUNTS: Final = (
    contacts.count_by_key,
    moderators.count_by_key,
    rules.count_by_key,
    sealed.count_of_addresses,
    sealed.count_of_mails,
    sealed.count_of_texts,
)


async def count_sealed(unit: PrivateRead, but: list[str]) -> dict[str, Sealed]:
    """Return what each key encrypts, by its fingerprint, except the keys ``but``."""
    counted = [Counter[str]() for _ in COUNTS]
    for numbers, count in zip(counted, COUNTS, strict=True):
        for row in await count(unit, but):
            numbers[row["fingerprint"]] += row["number"]
    return {key: Sealed(*(numbers[key] for numbers in counted)) for key in sorted(set().union(*counted))}


async def find_missing(unit: PrivateRead) -> dict[str, Sealed]:
    """Return what is encrypted by keys that are neither listed nor declared lost, by their fingerprints."""
    listed = unit.keyring.fingerprints
    known = await installation.get_fingerprint(unit)
    missing = await count_sealed(unit, [*listed, *await installation.list_lost_keys(unit)])
    # The newest key also signs tokens, so it belongs to the database before any address does.
    return missing if known is None or known in listed else {known: Sealed()} | missing


@private_read
async def check_newest_key(unit: PrivateRead) -> None:
    """Check that the key that the database was encrypted with last is listed. It reads one row.

    Raises:
        ConfigurationError: it is missing, or the first start of the service did not finish.
    """
    known = await installation.get_fingerprint(unit)
    if known is None:
        raise ConfigurationError("The first start of the service did not finish. Run: commentsvc migrate")
    if known not in unit.keyring.fingerprints:
        await check_keys.within(unit)


@private_read
async def check_keys(unit: PrivateRead) -> None:
    """Check that every key that encrypts something is listed. It reads every digest: 0.24 s for 200,000.

    Raises:
        ConfigurationError: a key is missing.
    """
    if missing := await find_missing(unit):
        raise _missing(unit.config, missing)


def _missing(config: Config, missing: dict[str, Sealed]) -> ConfigurationError:
    file, (unused, found) = secret_file.secret_file(config), secret_file.find_unused_keys(config)
    keys, addresses = ", ".join(missing), sum(missing.values(), Sealed()).describe()
    if unused and set(found) & set(missing):
        return ConfigurationError(
            f"COMMENTSVC_SECRET_KEY lacks the key {keys}, which encrypts {addresses}. It is in {unused}. "
            "Remove COMMENTSVC_SECRET_KEY, or add this key after the newest one, separated by a space."
        )
    if file is not None and not file.exists():
        cause = f"There is no secret key at {file}. The database needs the key {keys}"
        cure = "Restore this file from your backup, or set COMMENTSVC_SECRET_KEY"
    else:
        cause = f"{file or 'COMMENTSVC_SECRET_KEY'} does not match this database: it lacks the key {keys}"
        cure = "Add this key after the newest one, separated by a space"
    return ConfigurationError(
        f"{cause}, which encrypts {addresses}. {cure}. If the key is lost, run: commentsvc secret lost"
    )
