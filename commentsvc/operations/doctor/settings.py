"""Check the settings: those that do nothing, and what an operator may have forgotten."""

from collections.abc import Collection, Iterator
from typing import Final

from commentsvc.config import PREFIX
from commentsvc.config.settings import Config
from commentsvc.domain import urls
from commentsvc.domain.networks import parse_networks
from commentsvc.operations.doctor.findings import Finding, ok, warning

CHECK: Final = "settings"
ONLY_POSTGRES: Final = (
    "reader_database_url",
    "read_database_url",
    "read_lag_ms",
    "prepared_statements",
    "database_connections",
    "reader_connections",
)
LEAST_PREFIX: Final = {4: 8, 6: 7}  # the widest private networks: 10.0.0.0/8 and fc00::/7
ONLY_SQLITE: Final = ("database_check", "min_free_mb")
ONLY_MAIL: Final = ("mail_from", "mail_minutes")
ONLY_CHECK: Final = ("verdict_secret", "verdict_mode", "verdict_timeout", "verdict_dialect", "verdict_send")


def check_settings(config: Config, given: Collection[str]) -> Iterator[Finding]:
    """Yield what is odd about the settings. Those that are wrong were refused before. ``given``: not the defaults."""
    idle = list(_find_idle(config, given))
    for name, why in idle:
        yield warning(CHECK, f"{PREFIX}{name.upper()} does nothing: {why}.", f"Remove {PREFIX}{name.upper()}.")
    if not config.public_url:
        yield warning(
            CHECK,
            f"{PREFIX}PUBLIC_URL is not set, so links and cookies name http://localhost:{config.port}.",
            f"{PREFIX}PUBLIC_URL=https://comments.example.com",
        )
    elif not config.own_origin.startswith("https://") and not urls.is_local(urls.host_of(config.own_origin)):
        yield warning(
            CHECK,
            "The service has no https address, so nobody can sign in to the moderation page.",
            f"{PREFIX}PUBLIC_URL=https://{urls.host_of(config.own_origin)}{config.base_path}",
        )
    yield from _check_networks(config)
    if not idle:
        yield ok(CHECK, f"Settings that are not defaults: {len(given)}. All have an effect.")


def _check_networks(config: Config) -> Iterator[Finding]:
    """Yield settings that trust more networks than one operator has."""
    for name, says in (
        ("trusted_proxies", "so clients can write any address themselves, and rate limits and bans stop nobody"),
        ("outbound_allow", "so webhooks reach every private network of this computer"),
    ):
        wide = [one for one in parse_networks(getattr(config, name)) if one.prefixlen < LEAST_PREFIX[one.version]]
        if wide:
            cure = f"Name only the networks that are yours in {PREFIX}{name.upper()}, such as 10.0.0.0/8."
            yield warning(CHECK, f"{PREFIX}{name.upper()} has {wide[0]}, {says}.", cure)


def _find_idle(config: Config, given: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield settings that have no effect beside the others, and why."""
    reasons: list[tuple[bool, tuple[str, ...], str]] = [
        (config.sqlite_path is not None, ONLY_POSTGRES, "the database is SQLite"),
        (config.sqlite_path is None, ONLY_SQLITE, "the database is PostgreSQL"),
        (not config.smtp_url, ONLY_MAIL, f"{PREFIX}SMTP_URL is not set"),
        (not config.verdict_url, ONLY_CHECK, f"{PREFIX}VERDICT_URL is not set"),
        (config.socket_path is None, ("socket_mode",), f"{PREFIX}HOST is no socket file"),
        (config.socket_path is not None, ("port",), f"{PREFIX}HOST is a socket file"),
        (config.proof_of_work == "off", ("proof_cost",), f"{PREFIX}PROOF_OF_WORK is off"),
        (config.rate_limit == "off", ("work_limit",), f"{PREFIX}RATE_LIMIT is off"),
        (not config.read_database_url, ("read_lag_ms",), f"{PREFIX}READ_DATABASE_URL is not set"),
        (config.log_level in {"warning", "error"}, ("access_log",), f"{PREFIX}LOG_LEVEL hides its lines"),
    ]
    seen: set[str] = set()
    for applies, names, why in reasons:
        for name in names:
            if applies and name in given and name not in seen:
                seen.add(name)
                yield name, why
