"""Check that the secret keys open what the database holds."""

from collections import Counter

import msgspec

from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations import secret_file
from commentsvc.service import private_read
from commentsvc.storage import contacts, installation, moderators, rules
from commentsvc.storage.database import PrivateRead


class Sealed(msgspec.Struct, frozen=True):
    """The number of email addresses that a secret key encrypts: of comments, of moderators, and of bans."""

    comments: int = 0
    moderators: int = 0
    bans: int = 0

    def __add__(self, other: "Sealed") -> "Sealed":
        return Sealed(self.comments + other.comments, self.moderators + other.moderators, self.bans + other.bans)

    def total(self) -> int:
        """Return the number of all addresses."""
        return self.comments + self.moderators + self.bans


@private_read
async def is_new(unit: PrivateRead) -> bool:
    """Return whether no start has finished on this database. Then no secret key belongs to it yet."""
    return await installation.get_fingerprint(unit) is None


async def count_sealed(unit: PrivateRead, but: list[str]) -> dict[str, Sealed]:
    """Return what each key encrypts, by its fingerprint, except the keys ``but``."""
    counted: list[Counter[str]] = []
    for table in (contacts, moderators, rules):
        rows = await table.count_by_key(unit, but)
        counted.append(Counter({row["fingerprint"]: row["number"] for row in rows}))
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
    keys, number = ", ".join(missing), sum(missing.values(), Sealed()).total()
    addresses = "1 email address" if number == 1 else f"{number:,} email addresses"
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
