"""Define every setting, its default and its meaning.

Settings are environment variables with the prefix ``COMMENTSVC_``. A secret can also be read from the file
that ``…_FILE`` names. A wrong setting stops the program at start, with an error that names the variable.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from commentsvc.domain import urls
from commentsvc.domain.errors import ConfigurationError, InvalidValue
from commentsvc.domain.fields import Limits
from commentsvc.domain.models import Mode
from commentsvc.domain.networks import Network, parse_network
from commentsvc.domain.tracking import DroppedParameters, parse_dropped_parameters
from commentsvc.domain.validation import convert_setting

PREFIX: Final = "COMMENTSVC_"
MAX_COMMENTS_PER_SECOND: Final = 100
MIN_KEY_LENGTH: Final = 32
# The longest time that a form token or a proof of work is valid. Records of used ones are deleted after it.
OLDEST_SECONDS: Final = 7 * 86_400
SECRETS: Final = frozenset({"secret_key", "admin_key", "database_url"})


class Config(Struct, frozen=True, kw_only=True):
    """The settings of the service. Each description is also in the table of docs/settings.md; a test compares them."""

    host: Annotated[str, Meta(description="IP address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 picks a free port.")] = 8080
    database_url: Annotated[
        str,
        Meta(
            description="Database address: `sqlite:///relative/path.db`, `sqlite:////absolute/path.db`, "
            "or `postgresql://user:password@host/database`."
        ),
    ] = "sqlite:///data/commentsvc.db"
    public_url: Annotated[
        str,
        Meta(description="Address of the service as browsers see it; used in links and on its own pages."),
    ] = ""
    sites: Annotated[
        str,
        Meta(
            description="Origins that can embed comments, separated by spaces: `https://blog.example`. If empty, only "
            "pages on this computer (localhost) can."
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
        int,
        Meta(ge=1, le=365, description="How many days to keep a commenter's network and browser name."),
    ] = 30
    rate_limit: Annotated[
        str,
        Meta(
            pattern=r"^(off|[1-9]\d{0,3}/[1-9]\d{0,4})$",
            description="Rate limit for comments from one network (/24 or /64), as `number/seconds`. `off` is for "
            "benchmarks.",
            extra={"expected": "off, or number/seconds such as 20/300"},
        ),
    ] = "20/300"
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
    slow_unit_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=600_000,
            description="Log a unit of work (a database transaction) that takes this long, in milliseconds.",
        ),
    ] = 500
    log_format: Annotated[Literal["text", "json"], Meta(description="Format of the log.")] = "text"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Config":
        """Return the settings of this environment.

        Raises:
            ConfigurationError: settings are wrong; the message has one line for each.
        """
        values: dict[str, Any] = {}
        wrong = [_describe_unknown(name) for name in sorted(environment) if _is_unknown(name)]
        for field in msgspec.structs.fields(cls):
            variable = PREFIX + field.name.upper()
            try:
                text = _read_text(field.name, variable, environment)
                if text:
                    values[field.name] = convert_setting(text, field.type)
            except ConfigurationError as error:
                wrong.append(str(error))
            except InvalidValue as error:
                wrong.append(f"{variable} must be {error.detail}.")
        if wrong:
            raise ConfigurationError("\n".join(wrong))
        config = cls(**values)
        config.check()
        return config

    def check(self) -> None:
        """Check what the types of the fields cannot express.

        Raises:
            ConfigurationError: a setting is wrong; the message names it.
        """
        for text in self.sites.split():
            _origin("SITES", text)
        if self.public_url:
            _origin("PUBLIC_URL", self.public_url)
        _ = self.proxies
        if not re.match(r"sqlite:///.+|postgres(ql)?://.+", self.database_url):
            raise ConfigurationError(
                f"{PREFIX}DATABASE_URL must start with sqlite:/// or postgresql://, followed by the database."
            )
        if self.allowance and self.allowance[0] > MAX_COMMENTS_PER_SECOND * self.allowance[1]:
            raise ConfigurationError(
                f"{PREFIX}RATE_LIMIT allows more than {MAX_COMMENTS_PER_SECOND} comments per second. "
                "Lower it, or set it to off."
            )
        if self.form_age and not self.form_age[0] < self.form_age[1] <= OLDEST_SECONDS:
            raise ConfigurationError(
                f"{PREFIX}FORM_SECONDS must have a minimum below its maximum. "
                f"The maximum is at most {OLDEST_SECONDS} (one week)."
            )
        if self.admin_key and len(self.admin_key) < MIN_KEY_LENGTH:
            raise ConfigurationError(
                f"{PREFIX}ADMIN_KEY must have at least {MIN_KEY_LENGTH} characters. "
                "Create one with: openssl rand -base64 48"
            )

    @property
    def sqlite_path(self) -> Path | None:
        """The file of an SQLite database; None for PostgreSQL."""
        prefix = "sqlite:///"
        return Path(self.database_url.removeprefix(prefix)) if self.database_url.startswith(prefix) else None

    @property
    def origins(self) -> list[str]:
        """The origins of ``sites``, in canonical form."""
        return [_origin("SITES", text) for text in self.sites.split()]

    @property
    def own_origin(self) -> str:
        """The service's own origin."""
        return _origin("PUBLIC_URL", self.public_url) if self.public_url else f"http://localhost:{self.port}"

    @property
    def dropped(self) -> DroppedParameters:
        """The query parameters that do not tell which page it is: the standard ones and ``dropped_parameters``."""
        return parse_dropped_parameters(self.dropped_parameters)

    @property
    def proxies(self) -> list[Network]:
        """The networks of ``trusted_proxies``."""
        try:
            return [parse_network(text) for text in self.trusted_proxies.split()]
        except ValueError:
            raise ConfigurationError(
                f"{PREFIX}TRUSTED_PROXIES must contain networks separated by spaces, such as 10.0.0.0/8 or 127.0.0.1."
            ) from None

    @property
    def allowance(self) -> tuple[int, int] | None:
        """The rate limit as a number of comments and a number of seconds; None if it is off."""
        number, _, seconds = self.rate_limit.partition("/")
        return None if self.rate_limit == "off" else (int(number), int(seconds))

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


def _known_names() -> list[str]:
    names = [*Config.__struct_fields__, *(f"{name}_file" for name in sorted(SECRETS))]
    return [name.upper() for name in names]


def _is_unknown(variable: str) -> bool:
    return variable.startswith(PREFIX) and variable.removeprefix(PREFIX) not in _known_names()


def _describe_unknown(variable: str) -> str:
    similar = difflib.get_close_matches(variable.removeprefix(PREFIX).upper(), _known_names(), n=1)
    advice = f"Did you mean {PREFIX}{similar[0]}?" if similar else "See docs/settings.md."
    return f"Unknown setting {variable}. {advice}"


def _read_text(name: str, variable: str, environment: Mapping[str, str]) -> str:
    text = environment.get(variable, "").strip()
    file = environment.get(f"{variable}_FILE", "") if name in SECRETS else ""
    if not file:
        return text
    if text:
        raise ConfigurationError(f"{variable} and {variable}_FILE are both set. Remove one of them.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "not UTF-8 text"
        raise ConfigurationError(f"{variable}_FILE names a file that cannot be read ({reason}).") from None


def _origin(variable: str, text: str) -> str:
    try:
        return urls.parse_origin(text)
    except ValueError:
        raise ConfigurationError(
            f"{PREFIX}{variable} contains an invalid origin. "
            "Use scheme and host without a path, such as https://blog.example."
        ) from None
