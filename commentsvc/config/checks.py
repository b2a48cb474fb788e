"""Check what the types of the settings cannot express. Every check yields sentences: the fault, then the cure."""

import ipaddress
import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from commentsvc.config import PREFIX, postgres_url
from commentsvc.config.database_url import find_fault
from commentsvc.config.mail_server import parse_mail_from, parse_smtp_url
from commentsvc.config.origins import parse_site_origin
from commentsvc.config.settings import OLDEST_SECONDS, Config
from commentsvc.config.verdict_checks import find_verdict_faults
from commentsvc.domain.crypto import MIN_SECRET_LENGTH, Keyring
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.networks import drop_zone
from commentsvc.domain.secret_strength import find_weakness

MAX_COMMENTS_PER_SECOND: Final = 100
MIN_KEY_LENGTH: Final = 32
NEW_KEY: Final = "openssl rand -base64 48"
ADDRESS_WITH_PORT: Final = re.compile(r"(\d+(\.\d+){3}|\[[0-9a-f:.]*\]|[\w.-]+):\d+", re.IGNORECASE)
HOST_EXAMPLES: Final = "Use 127.0.0.1, 0.0.0.0, :: or unix:/run/commentsvc/http.sock."
MAX_SOCKET_BYTES: Final = 107  # of the path of a socket file (unix(7))
HOST_NAME: Final = re.compile(r"(?=.*[a-z])[\w-]+(\.[\w-]+)*\.?", re.IGNORECASE)
# Settings that hold several values, separated by spaces.
LISTS: Final = ("sites", "dropped_parameters", "trusted_proxies", "outbound_allow")


def find_faults(config: Config, faulty: Collection[str] = ()) -> Iterator[str]:
    """Yield one sentence for each fault. Checks of the settings in ``faulty`` are left out."""
    with_commas = {name for name in LISTS if re.search("[,;]", getattr(config, name))}
    for name in LISTS:
        if name in with_commas:
            yield f"{PREFIX}{name.upper()} has commas or semicolons. Separate the values by spaces."
    skipped = with_commas | set(faulty)
    for names, check in CHECKS.items():
        if skipped.isdisjoint(names):
            try:
                yield from check(config)
            except ConfigurationError as error:
                yield str(error)


def _check_host(config: Config) -> Iterator[str]:
    # A name is not resolved here: that may take seconds. Starting to listen finds the rest.
    host = config.host
    if config.socket_path:
        yield from find_socket_faults(config.socket_path)
        return
    if host == "*" or _is_address(host) or HOST_NAME.fullmatch(host):
        return
    advice = ""
    if re.match(r"unix:|[./~]|file:", host, re.IGNORECASE) or host.endswith(".sock"):
        advice = "For a socket, write unix: before its full path. "
    elif "/" in host:
        advice = "A scheme or path does not belong here. "
    elif ADDRESS_WITH_PORT.fullmatch(host):
        advice = f"A port belongs in {PREFIX}PORT. "
    elif len(re.split(r"[\s,;]+", host)) > 1:
        advice = "Write one address only. "
    yield f"{PREFIX}HOST: {host} is not an address of this computer. {advice}{HOST_EXAMPLES}"


def find_socket_faults(path: Path) -> Iterator[str]:
    """Yield what is wrong with the path of a socket file."""
    if not path.is_absolute():
        yield f"{PREFIX}HOST needs the full path of the socket, such as unix:/run/commentsvc/http.sock."
    elif len(os.fsencode(path)) > MAX_SOCKET_BYTES:
        yield f"{PREFIX}HOST: the path has more than {MAX_SOCKET_BYTES} bytes. Use a shorter one."
    elif os.path.isdir(path):  # noqa: PTH112 -- Path.is_dir raises PermissionError
        yield f"{PREFIX}HOST: {path} is a folder. Add the name of the socket, such as {path / 'http.sock'}."


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(re.sub(r"\[(.*)\]", r"\1", text)))
    except ValueError:
        return False


def _check_database_url(config: Config) -> Iterator[str]:
    if config.sqlite_path is None:
        yield from _check_server_url(f"{PREFIX}DATABASE_URL", config.database_url)
    elif fault := find_fault(config.database_url):
        yield f"{PREFIX}DATABASE_URL {fault}"


def _check_reader_database_url(config: Config) -> Iterator[str]:
    if config.reader_database_url:
        yield from _check_server_url(f"{PREFIX}READER_DATABASE_URL", config.reader_database_url)


def _check_read_database_url(config: Config) -> Iterator[str]:
    if config.read_database_url:
        yield from _check_server_url(f"{PREFIX}READ_DATABASE_URL", config.read_database_url)


def _check_server_url(variable: str, url: str) -> Iterator[str]:
    if fault := find_fault(url):
        yield f"{variable} {fault}"
    else:
        postgres_url.parse_postgres_url(variable, url)


def _check_public_url(config: Config) -> Iterator[str]:
    if re.search(r"[\s,;]", config.public_url):
        yield f"{PREFIX}PUBLIC_URL must be one address, without spaces and commas."
    else:
        _ = config.own_origin


def _check_sites(config: Config) -> Iterator[str]:
    faults: list[str] = []
    for text in config.sites.split():
        try:
            parse_site_origin(text)
        except ConfigurationError as error:
            faults.append(str(error))
    yield from dict.fromkeys(faults)


def _check_trusted_proxies(config: Config) -> Iterator[str]:
    yield from _check_networks(f"{PREFIX}TRUSTED_PROXIES", config.trusted_proxies)


def _check_outbound_allow(config: Config) -> Iterator[str]:
    yield from _check_networks(f"{PREFIX}OUTBOUND_ALLOW", config.outbound_allow)


def _check_networks(variable: str, texts: str) -> Iterator[str]:
    faulty = False
    for text in map(drop_zone, texts.split()):
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            faulty = True
            continue
        if network.network_address != ipaddress.ip_interface(text).ip:
            yield f"{variable} has an address with bits after its prefix. Write {network}."
    if faulty:
        yield (
            f"{variable} must contain networks separated by spaces, such as 10.0.0.0/8 or 127.0.0.1. "
            "Names and ports are not possible."
        )


def _check_secret_key(config: Config) -> Iterator[str]:
    # A comma may also be a character of one key. Only between two keys of enough length is it a separator.
    pieces = re.split(r"[\s,;]+", config.secret_key)
    separated = re.search("[,;]", config.secret_key) and len(pieces) > 1
    if separated and all(len(piece) >= MIN_SECRET_LENGTH for piece in pieces):
        yield f"{PREFIX}SECRET_KEY has keys separated by commas or semicolons. Separate them by spaces."
    elif config.secret_key:
        Keyring(keys := config.secret_key.split())
        if len(set(keys)) < len(keys):
            yield f"{PREFIX}SECRET_KEY has the same key twice. Remove one of them."
        elif fault := find_weakness(keys[0]):
            yield (
                f"{PREFIX}SECRET_KEY is easy to guess: the newest key {fault}. Create one with: {NEW_KEY}. "
                "If the old one was in use, keep it after the new one, and run: commentsvc reseal"
            )


def _check_secret_key_of_postgres(config: Config) -> Iterator[str]:
    if postgres_url.SCHEME.match(config.database_url) and not config.secret_key:
        yield (
            f"{PREFIX}SECRET_KEY must be set with PostgreSQL. It encrypts emails; keep it outside the database. "
            f"Create one with: {NEW_KEY}"
        )


def _check_admin_key(config: Config) -> Iterator[str]:
    if config.admin_key and len(config.admin_key) < MIN_KEY_LENGTH:
        yield (f"{PREFIX}ADMIN_KEY must have at least {MIN_KEY_LENGTH} characters. Create one with: {NEW_KEY}")
    elif re.search(r"[^!-~]", config.admin_key):
        yield f"{PREFIX}ADMIN_KEY must be one word of ASCII characters. Create one with: {NEW_KEY}"
    elif config.admin_key and (fault := find_weakness(config.admin_key)):
        yield f"{PREFIX}ADMIN_KEY is easy to guess: it {fault}. Create one with: {NEW_KEY}"


def _check_keys_differ(config: Config) -> Iterator[str]:
    if config.admin_key in config.secret_key.split():
        yield f"{PREFIX}ADMIN_KEY must not be a secret key: it is sent with requests. Create one with: {NEW_KEY}"


def _check_rate_limit(config: Config) -> Iterator[str]:
    if config.allowance and config.allowance[0] > MAX_COMMENTS_PER_SECOND * config.allowance[1]:
        yield (
            f"{PREFIX}RATE_LIMIT allows more than {MAX_COMMENTS_PER_SECOND} comments per second. "
            "Lower it, or set it to off."
        )


def _check_form_seconds(config: Config) -> Iterator[str]:
    if config.form_age and not config.form_age[0] < config.form_age[1] <= OLDEST_SECONDS:
        yield (
            f"{PREFIX}FORM_SECONDS must have a minimum below its maximum. "
            f"The maximum is at most {OLDEST_SECONDS} (one week)."
        )


def _check_smtp_url(config: Config) -> Iterator[str]:
    if config.smtp_url:
        parse_smtp_url(config.smtp_url)
    yield from ()


def _check_backup_folder(config: Config) -> Iterator[str]:
    if config.backup_folder and config.sqlite_path is None:
        yield f"{PREFIX}BACKUP_FOLDER works with SQLite only. Remove it, and back up PostgreSQL with pg_dump."


def _check_mail_from(config: Config) -> Iterator[str]:
    if config.mail_from:
        parse_mail_from(config.mail_from)
    elif config.smtp_url:
        yield f"{PREFIX}MAIL_FROM must be set with {PREFIX}SMTP_URL: the sender, such as comments@example.com."


def _check_links_in_mails(config: Config) -> Iterator[str]:
    if config.smtp_url and not config.public_url:
        yield (
            f"{PREFIX}PUBLIC_URL must be set with {PREFIX}SMTP_URL: mails have links to the service. "
            "Set it to the address of the service as browsers see it."
        )


# Each check, with the settings that it reads.
CHECKS: Final[dict[tuple[str, ...], Callable[[Config], Iterator[str]]]] = {
    ("host",): _check_host,
    ("database_url",): _check_database_url,
    ("reader_database_url",): _check_reader_database_url,
    ("read_database_url",): _check_read_database_url,
    ("public_url",): _check_public_url,
    ("sites",): _check_sites,
    ("secret_key",): _check_secret_key,
    ("secret_key", "database_url"): _check_secret_key_of_postgres,
    ("admin_key",): _check_admin_key,
    ("admin_key", "secret_key"): _check_keys_differ,
    ("rate_limit",): _check_rate_limit,
    ("form_seconds",): _check_form_seconds,
    ("trusted_proxies",): _check_trusted_proxies,
    ("outbound_allow",): _check_outbound_allow,
    ("backup_folder", "database_url"): _check_backup_folder,
    ("smtp_url",): _check_smtp_url,
    ("smtp_url", "mail_from"): _check_mail_from,
    ("smtp_url", "public_url"): _check_links_in_mails,
    ("verdict_url", "verdict_secret", "verdict_dialect", "verdict_send"): find_verdict_faults,
}
