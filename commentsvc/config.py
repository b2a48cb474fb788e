"""Every setting, its default and its meaning.

Settings come from the environment with the prefix ``COMMENTSVC_``. A secret may instead stand in a file
that ``…_FILE`` names. A wrong value is refused by name before anything runs.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from commentsvc.domain import urls
from commentsvc.domain.errors import ConfigurationError
from commentsvc.domain.fields import Limits
from commentsvc.domain.models import Mode

PREFIX: Final = "COMMENTSVC_"
MOST_A_SECOND: Final = 100
# No form and no proof of work is valid for longer. After that it may be forgotten that it was used.
OLDEST_SECONDS: Final = 7 * 86_400
SECRETS: Final = frozenset({"secret_key", "admin_key", "database_url"})


class Config(Struct, frozen=True, kw_only=True):
    """The service's settings. A field's description is its row in docs/settings.md."""

    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="The port to listen on; 0 takes a free one.")] = 8080
    database_url: Annotated[
        str,
        Meta(
            description="Where comments are kept: `sqlite:///relative/path.db`, `sqlite:////absolute/path.db`, "
            "or `postgresql://user:password@host/database`."
        ),
    ] = "sqlite:///data/commentsvc.db"
    public_url: Annotated[
        str,
        Meta(description="The service's own address as browsers see it, for links and for its own pages."),
    ] = ""
    sites: Annotated[
        str,
        Meta(
            description="Origins of the blogs served, space separated: `https://blog.example`. While none is set, "
            "only pages of this very machine (localhost) may embed."
        ),
    ] = ""
    secret_key: Annotated[
        str,
        Meta(
            description="Seals emails and signs tokens; at least 32 characters, several separated by spaces, newest "
            "first. With SQLite it is made once, into `secret.key` beside the database; PostgreSQL requires it."
        ),
    ] = ""
    admin_key: Annotated[
        str,
        Meta(description="An API key with every right that is valid while it stands here; at least 32 characters."),
    ] = ""
    moderation: Annotated[
        Mode,
        Meta(
            description="Who is held: `all` comments, all but those of `trusted` (proven) writers, or `none` that no "
            "rule holds."
        ),
    ] = Mode.ALL
    comment_length: Annotated[
        int,
        Meta(
            ge=1, le=60000, description="The longest comment taken, in characters. A whole request has at most 64 KiB."
        ),
    ] = 10_000
    nesting: Annotated[
        int, Meta(ge=0, le=20, description="How deep replies nest; a deeper one joins the deepest level.")
    ] = 6
    edit_minutes: Annotated[
        int, Meta(ge=0, le=1440, description="How long a writer may edit or withdraw a comment.")
    ] = 15
    deliverability: Annotated[
        Literal["off", "on"],
        Meta(description="Whether to ask the DNS if an email's domain takes mail; your resolver learns the domain."),
    ] = "off"
    network_days: Annotated[
        int,
        Meta(ge=1, le=365, description="How long a writer's network and browser name are kept, in days."),
    ] = 30
    rate_limit: Annotated[
        str,
        Meta(
            pattern=r"^(off|[1-9]\d{0,3}/[1-9]\d{0,4})$",
            description="Comments one network (/24 or /64) may send, as `number/seconds`; `off` for benchmarks.",
            extra={"wanted": "off, or number/seconds such as 20/300"},
        ),
    ] = "20/300"
    form_seconds: Annotated[
        str,
        Meta(
            pattern=r"^(off|\d{1,5}-[1-9]\d{0,5})$",
            description="How soon and how late a form may be sent after it was opened, as `quickest-oldest`; what "
            "comes sooner or later is held. `off` asks nothing.",
            extra={"wanted": "off, or quickest-oldest in seconds such as 3-86400"},
        ),
    ] = "3-86400"
    proof_of_work: Annotated[
        Literal["off", "suspicious", "on"],
        Meta(
            description="Whether a form must show that its reader's device worked for it; `suspicious` asks only "
            "networks whose comments moderators called spam, or that sent ten within the hour."
        ),
    ] = "off"
    proof_cost: Annotated[
        int,
        Meta(
            ge=10,
            le=100_000,
            description="The most tries that a proof of work takes, on average half; a phone makes about a thousand "
            "a second.",
        ),
    ] = 1000
    trusted_proxies: Annotated[
        str,
        Meta(description="Networks of proxies whose `X-Forwarded-For` is believed, space separated: `10.0.0.0/8`."),
    ] = ""
    slow_unit_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=600_000,
            description="Log a unit of work (a database transaction) that takes this long, in milliseconds.",
        ),
    ] = 500
    log_format: Annotated[Literal["text", "json"], Meta(description="How the log is written.")] = "text"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Config":
        """Read the settings.

        Raises:
            Misconfigured: naming every variable that is wrong, one a line.
        """
        values: dict[str, Any] = {}
        wrong = [f"{name} is no setting of commentsvc." for name in sorted(environment) if _unknown(name)]
        for field in msgspec.structs.fields(cls):
            variable = PREFIX + field.name.upper()
            try:
                text = _text_of(field.name, variable, environment)
                if text:
                    values[field.name] = _read_value(variable, text, field.type)
            except ConfigurationError as error:
                wrong.append(str(error))
        if wrong:
            raise ConfigurationError("\n".join(wrong))
        config = cls(**values)
        config.check()
        return config

    def check(self) -> None:
        """Look at what a type cannot say.

        Raises:
            Misconfigured: naming the variable.
        """
        for text in self.sites.split():
            _origin("SITES", text)
        if self.public_url:
            _origin("PUBLIC_URL", self.public_url)
        _ = self.proxies
        if not re.match(r"sqlite:///.+|postgres(ql)?://.+", self.database_url):
            raise ConfigurationError(
                f"{PREFIX}DATABASE_URL must begin with sqlite:/// or postgresql:// and name a database."
            )
        if self.allowance and self.allowance[0] > MOST_A_SECOND * self.allowance[1]:
            raise ConfigurationError(f"{PREFIX}RATE_LIMIT allows more than {MOST_A_SECOND} a second; say off instead.")
        if self.form_age and not self.form_age[0] < self.form_age[1] <= OLDEST_SECONDS:
            raise ConfigurationError(
                f"{PREFIX}FORM_SECONDS must name fewer seconds first, then more, {OLDEST_SECONDS} (a week) at most."
            )
        if self.admin_key and len(self.admin_key) < 32:  # noqa: PLR2004 -- as its description says
            raise ConfigurationError(f"{PREFIX}ADMIN_KEY must have at least 32 characters.")

    @property
    def sqlite_path(self) -> Path | None:
        """The file of an SQLite database, or None."""
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
    def proxies(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """The networks of ``trusted_proxies``."""
        try:
            return [ipaddress.ip_network(text) for text in self.trusted_proxies.split()]
        except ValueError:
            raise ConfigurationError(
                f"{PREFIX}TRUSTED_PROXIES must hold networks, space separated, such as 10.0.0.0/8 or 127.0.0.1."
            ) from None

    @property
    def allowance(self) -> tuple[int, int] | None:
        """How many comments in how many seconds; None for no limit."""
        number, _, seconds = self.rate_limit.partition("/")
        return None if self.rate_limit == "off" else (int(number), int(seconds))

    @property
    def form_age(self) -> tuple[int, int] | None:
        """How many seconds old a form must be, and may be, when it is sent; None where nothing is asked."""
        quickest, _, oldest = self.form_seconds.partition("-")
        return None if self.form_seconds == "off" else (int(quickest), int(oldest))

    @property
    def limits(self) -> Limits:
        """How long a field may be."""
        return Limits(comment=self.comment_length)

    def __repr__(self) -> str:
        return "Config(hidden)"


def _unknown(variable: str) -> bool:
    name = variable.removeprefix(PREFIX).lower()
    known = name in Config.__struct_fields__ or name.removesuffix("_file") in SECRETS
    return variable.startswith(PREFIX) and not known


def _text_of(name: str, variable: str, environment: Mapping[str, str]) -> str:
    text = environment.get(variable, "").strip()
    file = environment.get(f"{variable}_FILE", "") if name in SECRETS else ""
    if not file:
        return text
    if text:
        raise ConfigurationError(f"{variable} and {variable}_FILE are both set. Keep one of them.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is not UTF-8 text"
        raise ConfigurationError(f"{variable}_FILE names a file that cannot be read: {reason}.") from None


def _read_value(variable: str, text: str, kind: Any) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        raise ConfigurationError(f"{variable} must be {_wanted(kind)}.") from None


def _wanted(kind: Any) -> str:
    base, meta = kind.__origin__, kind.__metadata__[0]
    if base is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    if get_origin(base) is Literal:
        return f"one of: {', '.join(get_args(base))}"
    if base is Mode:
        return f"one of: {', '.join(Mode)}"
    return str(meta.extra["wanted"])


def _origin(variable: str, text: str) -> str:
    try:
        return urls.parse_origin(text)
    except ValueError:
        raise ConfigurationError(
            f"{PREFIX}{variable} must hold origins such as https://blog.example: scheme, host, perhaps a port; no path."
        ) from None
