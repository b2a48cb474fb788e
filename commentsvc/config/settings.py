"""Define every setting, its default and its meaning.

Settings are environment variables with the prefix ``COMMENTSVC_``. The values that are derived from them are here too.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta

from commentsvc.config.database_url import SQLITE
from commentsvc.config.origins import parse_public_url, parse_site_origin
from commentsvc.config.server_settings import ServerConfig
from commentsvc.domain.fields import Limits
from commentsvc.domain.models import Mode
from commentsvc.domain.networks import Network, parse_networks
from commentsvc.domain.tracking import DroppedParameters, parse_dropped_parameters

# The longest time that a form token or a proof of work is valid. Records of used ones are deleted after it.
OLDEST_SECONDS: Final = 7 * 86_400
DATABASE_CONNECTIONS: Final = 8
READER_CONNECTIONS: Final = 4
READ_LAG_MS: Final = 1000


class Config(ServerConfig, frozen=True, kw_only=True):
    """The settings of the service. Each description is also in the table of docs/settings.md; a test compares them."""

    settings_file: Annotated[
        str,
        Meta(
            description="File with more settings, one `NAME=value` per line. It is read at the start and on SIGHUP. "
            "The environment has priority."
        ),
    ] = ""
    database_url: Annotated[
        str,
        Meta(
            description="Database address: `sqlite:///relative/path.db`, `sqlite:////absolute/path.db`, "
            "or `postgresql://user:password@host/database`."
        ),
    ] = "sqlite:///data/commentsvc.db"
    database_wait: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="How many seconds `serve` and `migrate` wait for a database that is away. Then they exit with "
            "code 75.",
        ),
    ] = 30
    database_check: Annotated[
        Literal["off", "on"],
        Meta(description="SQLite only: whether to look for damage at the start. It reads the whole file."),
    ] = "off"
    reader_database_url: Annotated[
        str,
        Meta(
            description="PostgreSQL only: the same database, for a user that can read public columns only. If empty, "
            "the service creates such a user."
        ),
    ] = ""
    read_database_url: Annotated[
        str,
        Meta(
            description="PostgreSQL only: a streaming replica of the database, which answers public reads while it is "
            "current."
        ),
    ] = ""
    read_lag_ms: Annotated[
        int,
        Meta(ge=50, le=60_000, description="PostgreSQL only: maximum age of a replica's state, in milliseconds."),
    ] = READ_LAG_MS
    prepared_statements: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="PostgreSQL only: whether connections keep prepared statements. `auto`: unless a pooler such "
            "as PgBouncer is in between."
        ),
    ] = "auto"
    database_connections: Annotated[
        int,
        Meta(ge=2, le=100, description="PostgreSQL only: maximum number of connections for writes and private reads."),
    ] = DATABASE_CONNECTIONS
    reader_connections: Annotated[
        int, Meta(ge=1, le=100, description="PostgreSQL only: maximum number of connections for public reads.")
    ] = READER_CONNECTIONS
    public_url: Annotated[
        str,
        Meta(
            description="Address of the service as browsers see it, which may have a path: "
            "`https://blog.example/comments`. Used in links, cookies and on its own pages."
        ),
    ] = ""
    sites: Annotated[
        str,
        Meta(
            description="Origins that can embed comments, separated by spaces: `https://blog.example`. "
            "`https://*.netlify.app` allows every host with one more label. If empty, only pages on this computer "
            "(localhost) can."
        ),
    ] = ""
    dropped_parameters: Annotated[
        str,
        Meta(
            pattern=r"^[^\s=&#?*]+\*?(\s+[^\s=&#?*]+\*?)*$",
            description="More query parameters that do not tell which page it is, separated by spaces: "
            "`source promo_*`. A star at the end means any ending.",
            extra={"expected": "names of query parameters separated by spaces, such as source promo_*"},
        ),
    ] = ""
    secret_key: Annotated[
        str,
        Meta(
            description="Key that encrypts emails and signs tokens; at least 32 characters. Separate several keys by "
            "spaces, newest first. With SQLite, the first start creates it in `secret.key` next to the database. With "
            "PostgreSQL it is required."
        ),
    ] = ""
    erasure_journal: Annotated[
        str,
        Meta(
            description="File with the ids of what was erased; `off`: none. If empty: `erasures.log` beside an SQLite "
            "database."
        ),
    ] = ""
    admin_key: Annotated[
        str,
        Meta(description="API key with all permissions, valid as long as this setting has it; at least 32 characters."),
    ] = ""
    moderation: Annotated[
        Mode,
        Meta(
            description="Which new comments are held. `all`: every comment. `trusted`: all except those of proven "
            "commenters. `none`: only those that a rule holds."
        ),
    ] = Mode.ALL
    comment_length: Annotated[
        int,
        Meta(ge=1, le=60000, description="Maximum length of a comment, in characters. A request is limited to 64 KiB."),
    ] = 10_000
    nesting: Annotated[
        int, Meta(ge=0, le=20, description="Maximum depth of replies; deeper replies are shown at the deepest level.")
    ] = 6
    authors: Annotated[
        str,
        Meta(
            max_length=1000,
            description="Names of moderators who write the site, separated by commas. Their replies show Author, "
            "not Moderator.",
        ),
    ] = ""
    initials: Annotated[
        Literal["on", "off"], Meta(description="Whether each comment shows the initial of its author on a colour.")
    ] = "on"
    edit_minutes: Annotated[
        int, Meta(ge=0, le=1440, description="How many minutes commenters can edit or delete their comment.")
    ] = 15
    deliverability: Annotated[
        Literal["off", "on"],
        Meta(
            description="Whether to check by DNS that an email address can receive mail. Your resolver sees the domain."
        ),
    ] = "off"
    network_days: Annotated[
        int, Meta(ge=1, le=365, description="How many days to keep a commenter's network and browser name.")
    ] = 30
    rate_limit: Annotated[
        str,
        Meta(
            pattern=r"^(off|[1-9]\d{0,3}/[1-9]\d{0,4})$",
            description="Rate limit for comments from one network (/24 or /64), as `number/seconds`. Refused ones "
            "count too. `off` is for benchmarks.",
            extra={"expected": "off, or number/seconds such as 20/300"},
        ),
    ] = "20/300"
    pending_limit: Annotated[
        int, Meta(ge=0, le=1_000_000, description="How many comments can wait on a site before it refuses new ones.")
    ] = 10_000
    reports_to_hold: Annotated[
        int, Meta(ge=0, le=1000, description="How many reports by readers hold a comment; 0: reports only flag it.")
    ] = 3
    form_seconds: Annotated[
        str,
        Meta(
            pattern=r"^(off|\d{1,5}-[1-9]\d{0,5})$",
            description="Minimum and maximum time between opening and sending a form, as `minimum-maximum` in seconds. "
            "Comments sent sooner or later are held. `off` disables the check.",
            extra={"expected": "off, or minimum-maximum in seconds such as 3-86400"},
        ),
    ] = "3-86400"
    proof_of_work: Annotated[
        Literal["off", "suspicious", "on"],
        Meta(
            description="Whether forms need a proof of work. `suspicious`: only from networks that sent ten comments "
            "within an hour, or comments that moderators marked as spam."
        ),
    ] = "off"
    proof_cost: Annotated[
        int,
        Meta(
            ge=10,
            le=100_000,
            description="Proof-of-work difficulty: maximum number of attempts; the average is half. A phone makes "
            "about 1,000 attempts per second.",
        ),
    ] = 1000
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Networks of proxies whose `X-Forwarded-For` or `Forwarded` is trusted, separated by spaces: "
            "`10.0.0.0/8`."
        ),
    ] = ""
    surrogate_keys: Annotated[
        Literal["off", "on"],
        Meta(description="Whether public lists carry a `Surrogate-Key`, by which a CDN can drop them."),
    ] = "off"
    slow_unit_ms: Annotated[
        int, Meta(ge=1, le=600_000, description="Log a database transaction that takes this long, in milliseconds.")
    ] = 500
    min_free_mb: Annotated[
        int, Meta(ge=0, le=1_000_000, description="With less free disk space, in MiB, `/readyz` answers 503 (SQLite).")
    ] = 1
    log_format: Annotated[Literal["text", "json"], Meta(description="Format of the log.")] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least important lines of the log. `debug` adds every unit of work with its time."),
    ] = "info"
    access_log: Annotated[
        Literal["off", "on"], Meta(description="Whether to log a line for every request, at level `info`.")
    ] = "on"

    @property
    def sqlite_path(self) -> Path | None:
        """The file of an SQLite database; None for PostgreSQL."""
        return Path(self.database_url.removeprefix(SQLITE)) if self.database_url.startswith(SQLITE) else None

    @property
    def socket_path(self) -> Path | None:
        """The Unix socket to listen on; None if ``host`` is an address."""
        return Path(self.host.removeprefix("unix:")) if self.host.startswith("unix:") else None

    @property
    def origins(self) -> list[str]:
        """The origins of ``sites``, in canonical form."""
        return [parse_site_origin(text) for text in self.sites.split()]

    @property
    def own_origin(self) -> str:
        """The service's own origin."""
        return parse_public_url(self.public_url)[0] if self.public_url else f"http://localhost:{self.port}"

    @property
    def base_path(self) -> str:
        """The path of ``public_url`` without a slash at its end: ``/comments``; empty if it has none."""
        return parse_public_url(self.public_url)[1] if self.public_url else ""

    @property
    def own_url(self) -> str:
        """The address of the service as browsers see it, without a slash at its end."""
        return self.own_origin + self.base_path

    @property
    def dropped(self) -> DroppedParameters:
        """The query parameters that do not tell which page it is: the standard ones and ``dropped_parameters``."""
        return parse_dropped_parameters(self.dropped_parameters)

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of ``trusted_proxies``."""
        return parse_networks(self.trusted_proxies)

    @property
    def allowance(self) -> tuple[int, int] | None:
        """The rate limit as a number of comments and a number of seconds; None if it is off."""
        number, _, seconds = self.rate_limit.partition("/")
        return None if self.rate_limit == "off" else (int(number), int(seconds))

    @property
    def work_allowance(self) -> tuple[int, int] | None:
        """The processor time of a network as seconds in a number of seconds; None if it is not limited."""
        used, _, seconds = self.work_limit.partition("/")
        return None if "off" in {self.work_limit, self.rate_limit} else (int(used), int(seconds))

    @property
    def form_age(self) -> tuple[int, int] | None:
        """The minimum and maximum age of a form in seconds; None if the check is off."""
        quickest, _, oldest = self.form_seconds.partition("-")
        return None if self.form_seconds == "off" else (int(quickest), int(oldest))

    @property
    def limits(self) -> Limits:
        """The maximum lengths of the fields of a comment."""
        return Limits(comment=self.comment_length)

    def __repr__(self) -> str:
        return "Config(hidden)"
