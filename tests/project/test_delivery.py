"""Check the files for operators and contributors: locks, wheel, image, compose file, make commands and CI."""

import fnmatch
import ipaddress
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from commentsvc.cli.parser import build_parser
from commentsvc.config import PREFIX
from commentsvc.config.environment import SECRETS, read_config
from commentsvc.config.settings import Config
from commentsvc.domain import confusables_data
from tests.conftest import a_service_at, post

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CI = (ROOT / ".ci" / "run").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
COMPOSE_POSTGRES = yaml.safe_load((ROOT / "docker-compose.postgres.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCKS = ("runtime", "build", "dev")
STACKS = (pytest.param(COMPOSE, id="sqlite"), pytest.param(COMPOSE_POSTGRES, id="postgres"))
OWN_SERVICES = ((COMPOSE, "commentsvc"), (COMPOSE_POSTGRES, "commentsvc"), (COMPOSE_POSTGRES, "secrets"))


def lock(name):
    """Return the version and the hashes of each locked package."""
    text = re.sub(r"#.*", "", (ROOT / "requirements" / f"{name}.txt").read_text())
    found = {}
    for line in filter(None, map(str.strip, text.replace("\\\n", " ").splitlines())):
        pin, *hashes = re.split(r"\s+--hash=", line)
        package, version = pin.partition(";")[0].strip().split("==")
        assert hashes, package
        found[package] = version, tuple(hashes)
    return found


def requirements_of(*extras, groups=()):
    """Return the requirements in pyproject.toml."""
    texts = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        texts += PROJECT["project"]["optional-dependencies"][extra]
    for group in groups:
        texts += PROJECT["dependency-groups"][group]
    return list(map(Requirement, texts))


def instructions(stage):
    """Return the instructions of the first (0) or last (-1) stage of the Dockerfile, in order."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    stages = re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]
    return [tuple(line.split(maxsplit=1)) for line in stages[stage].splitlines() if line]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_can_be_installed_from_any_index(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()

    assert lock(name)
    assert "://" not in text
    assert set(re.findall(r"^\s*(-\S+?)[=\s]", text, flags=re.MULTILINE)) == {"--hash"}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("runtime", requirements_of("postgres")),
        ("build", [Requirement(text) for text in PROJECT["build-system"]["requires"]]),
        ("dev", requirements_of(*PROJECT["project"]["optional-dependencies"], groups=["dev"])),
    ],
    ids=LOCKS,
)
def test_a_lock_meets_the_requirements_of_the_project(name, wanted):
    locked = lock(name)

    for requirement in wanted:
        version, hashes = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


def test_the_dev_lock_contains_the_shipped_versions():
    tested = lock("dev")

    for name in ("runtime", "build"):
        assert lock(name).items() <= tested.items()


def test_the_wheel_contains_the_code_and_all_data_files(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())

    files = {file for file in (ROOT / "commentsvc").rglob("*") if file.is_file()}
    wanted = {str(file.relative_to(ROOT)) for file in files if file.suffix not in {".pyc", ".po"}}
    assert wanted - held == set()
    assert not [name for name in held if name.endswith(".po")]
    assert {"commentsvc/py.typed", "commentsvc/web/locales/de/LC_MESSAGES/commentsvc.mo"} <= held
    assert "commentsvc/schema.sql" in held
    assert any(name.endswith("licenses/LICENSE") for name in held)


@pytest.mark.parametrize(
    "name",
    ["data/x", "secret.key", "commentsvc.db", "commentsvc.db-wal", "erasures.log", ".env", ".env.local", "x.pem"],
)
def test_no_secret_and_no_data_reach_the_image(name):
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    def is_ignored(path):
        # The last line that matches counts: https://docs.docker.com/build/concepts/context/#dockerignore-files
        found = False
        for line in lines:
            pattern = f"/{line.removeprefix('!')}".replace("/**/", "*/", 1)
            if any(fnmatch.fnmatch(f"/{part}", pattern) for part in (path, *path.parents)):
                found = not line.startswith("!")
        return found

    assert is_ignored(Path(name))
    assert is_ignored(Path("commentsvc") / name), "somebody has run the service in this folder"
    assert not is_ignored(Path("commentsvc/app.py"))


def test_dockerignore_allows_every_file_that_the_image_copies():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [shlex.split(rest)[:-1] for word, rest in instructions(0) if word == "COPY"]

    for source in (source for sources in copied for source in sources):
        assert (ROOT / source).exists()
        assert any(Path(source).is_relative_to(one) for one in allowed), source
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_image_installs_only_packages_with_a_known_hash():
    installs = re.findall(r"pip .*?install .*", DOCKERFILE)

    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-index --no-deps" in one for one in installs)
    assert re.search(r"pip wheel --no-deps --no-build-isolation", DOCKERFILE)


def test_an_operator_can_build_the_image_from_another_base_image():
    assert DOCKERFILE.startswith("ARG PYTHON_IMAGE=")
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)) == {"${PYTHON_IMAGE}"}


def test_the_image_runs_as_a_numeric_user_that_is_not_root_and_owns_only_its_data():
    final = instructions(-1)
    users = [rest for word, rest in final if word == "USER"]

    assert users == ["10001:10001"]
    assert ("VOLUME", "/data") in final
    assert [rest for _, rest in final if "10001" in rest and rest not in users] == [
        "install -d --mode=0700 --owner=10001 --group=10001 /data /erasures /passwords"
    ]
    words = [word for word, _ in final]
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])


def test_the_image_uses_settings_and_commands_that_exist():
    final = dict(instructions(-1))
    environment = dict(pair.split("=", 1) for pair in shlex.split(final["ENV"]))
    config = read_config({name: value for name, value in environment.items() if name.startswith(PREFIX)})

    assert ipaddress.ip_address(config.host).is_unspecified  # Docker connects to a published port from outside
    assert config.sqlite_path == Path("/data/commentsvc.db")
    parse = build_parser().parse_args
    assert [*json.loads(final["ENTRYPOINT"]), parse(json.loads(final["CMD"])).command] == ["commentsvc", "serve"]
    check = json.loads(final["HEALTHCHECK"].split("CMD")[1])
    assert check[:3] == ["python", "-m", "commentsvc"]
    assert parse(check[3:]).command == "healthcheck"


@pytest.mark.parametrize("stack", STACKS)
def test_every_container_runs_with_minimal_privileges_and_bounded_resources(stack):
    for name, service in stack["services"].items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"\d+[mg]", interpolate(service["mem_limit"])), name
        assert service["pids_limit"] == 200
        assert not {"privileged", "network", "pid", "ipc", "devices"} & set(service)
        # Its image starts as root, and leaves that user at once.
        allowed = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"] if name == "postgres" else []
        assert service.get("cap_add", []) == allowed


def test_postgresql_sees_no_secret_key_and_the_service_is_no_superuser():
    services = COMPOSE_POSTGRES["services"]
    volumes = {name: {one.partition(":")[0] for one in service["volumes"]} for name, service in services.items()}

    assert {name for name, used in volumes.items() if "secrets" in used} == {"commentsvc", "secrets"}
    assert volumes["commentsvc"] == {"secrets", "erasures"}, "it cannot read the password of the superuser"
    used = {one for name in ("commentsvc", "roles") for one in services[name]["volumes"]}
    assert {one for one in used if not one.endswith(":ro")} == {"erasures:/erasures"}
    assert "POSTGRES_USER" not in services["postgres"]["environment"]
    [script] = services["roles"]["command"]
    roles = re.findall(r"ALTER ROLE (\w+) LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD", script)
    assert roles == ["commentsvc", "commentsvc_reader"]
    assert services["commentsvc"]["depends_on"] == {"roles": {"condition": "service_completed_successfully"}}


def run_roles(postgres, tools, passwords):
    """Create the roles as compose does, on a server for tests."""
    [script] = COMPOSE_POSTGRES["services"]["roles"]["command"]
    [host] = parse_qs(urlsplit(postgres.format("postgres")).query)["host"]
    variables = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PGHOST": host,
        "PGUSER": "postgres",
        "PGDATABASE": "postgres",
    }
    script = script.replace("$$", "$").replace("/passwords", str(passwords))
    subprocess.run(["sh", "-euc", script], check=True, env=variables)


async def test_the_roles_of_compose_can_do_what_the_service_needs_and_no_more(postgres, postgres_tools, tmp_path):
    for name in ("superuser", "owner", "reader"):
        (tmp_path / name).write_text(f"a'password\"of-{name}\n", encoding="utf-8")
    for _ in range(2):
        run_roles(postgres, postgres_tools, tmp_path)
    admin = await asyncpg.connect(postgres.format("postgres"))
    roles = ["commentsvc", "commentsvc_reader"]
    try:
        may = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR NOT rolcanlogin"
        found = await admin.fetch(f"SELECT rolname, {may} AS may FROM pg_roles WHERE rolname = ANY($1)", roles)
        assert dict(found) == dict.fromkeys(roles, False)
        url = postgres.format("commentsvc")
        owner, reader = (url.replace("postgres@", f"{name}@") for name in ("commentsvc", "commentsvc_reader"))
        async with a_service_at(owner, reader_url=reader) as service:
            posted = await post(service, "Hello.")
            [row] = await service.db.read_rows("SELECT id, session_user::text AS reader FROM comment", {})
            assert (row["id"], row["reader"]) == (posted, "commentsvc_reader")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.db.read_rows("SELECT * FROM contact", {})
    finally:
        await admin.execute("DROP DATABASE commentsvc WITH (FORCE)")
        await admin.execute("DROP ROLE commentsvc, commentsvc_reader")
        await admin.close()


@pytest.mark.parametrize("stack", STACKS)
def test_a_deployed_service_has_a_health_check_and_time_to_shut_down(stack):
    service = stack["services"]["commentsvc"]

    assert service["restart"] == "unless-stopped"
    assert service["init"] is True
    assert service["stop_grace_period"] == "15s"  # draining takes up to 10
    assert service["healthcheck"]["test"] == ["CMD", "python", "-m", "commentsvc", "healthcheck"]
    assert "start_interval" in service["healthcheck"]


def test_compose_starts_sqlite_with_a_data_volume_and_no_profile():
    assert list(COMPOSE["services"]) == ["commentsvc"]
    assert COMPOSE["services"]["commentsvc"]["volumes"] == ["data:/data"]
    assert list(COMPOSE["volumes"]) == ["data"]


def test_postgresql_has_its_own_compose_file_and_project():
    assert list(COMPOSE_POSTGRES["services"]) == ["commentsvc", "postgres", "roles", "secrets"]
    assert COMPOSE_POSTGRES["name"] != COMPOSE["name"]
    assert "ports" not in COMPOSE_POSTGRES["services"]["postgres"]
    services = [*COMPOSE["services"].values(), *COMPOSE_POSTGRES["services"].values()]
    assert not [service for service in services if "profiles" in service]


def interpolate(text, **variables):
    """Replace ``${NAME:-default}`` as compose does."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: variables.get(match[1]) or match[2], str(text))


@pytest.mark.parametrize("stack", STACKS)
def test_an_operator_publishes_the_service_on_another_address_and_port(stack):
    service = stack["services"]["commentsvc"]
    [port] = service["ports"]
    chosen = {"COMMENTSVC_HOST": "::", "COMMENTSVC_PORT": "9000"}

    assert [interpolate(port[key]) for key in ("host_ip", "published", "target")] == ["127.0.0.1", "8080", "8080"]
    assert [interpolate(port[key], **chosen) for key in ("host_ip", "published", "target")] == ["::", "9000", "9000"]
    inside = {name: interpolate(value, **chosen) for name, value in service["environment"].items()}
    config = read_config({name: inside[name] for name in chosen})
    assert (ipaddress.ip_address(config.host).is_unspecified, config.port) == (True, 9000)


@pytest.mark.parametrize(("stack", "name"), OWN_SERVICES)
def test_an_operator_chooses_the_image_and_its_base_image(stack, name):
    service = stack["services"][name]

    assert service["build"] == {"context": ".", "args": ["PYTHON_IMAGE"]}  # without it: the default of the Dockerfile
    assert interpolate(service["image"]) == "commentsvc"
    assert interpolate(service["image"], IMAGE="registry.example/c:1") == "registry.example/c:1"
    assert interpolate(service["pull_policy"]) == "build"
    assert interpolate(COMPOSE_POSTGRES["services"]["postgres"]["image"], POSTGRES_IMAGE="postgres:18") == "postgres:18"


@pytest.mark.parametrize("stack", STACKS)
def test_the_whole_file_of_settings_reaches_the_deployed_service(stack):
    service = stack["services"]["commentsvc"]

    assert service["env_file"] == [{"path": ".env", "required": False}]
    known = {PREFIX + field.upper() for field in Config.__struct_fields__}
    assert set(service["environment"]) <= known | {f"{PREFIX}{secret.upper()}_FILE" for secret in SECRETS}
    # What only compose reads has another prefix: the service would refuse it.
    read_here = set(re.findall(r"\$\{(\w+)", str(stack)))
    assert {name for name in read_here if name.startswith(PREFIX)} <= known


@pytest.mark.parametrize("stack", STACKS)
def test_the_log_of_every_container_is_limited(stack):
    for service in stack["services"].values():
        assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


@pytest.mark.parametrize("stack", STACKS)
def test_an_operator_can_start_the_service_without_any_settings(stack):
    for service in stack["services"].values():
        text = str({key: value for key, value in service.items() if key != "command"})
        assert re.findall(r"\$\{?\w+", text) == re.findall(r"\$\{\w+(?=:-[^}]+\})", text)


def test_secrets_are_created_once_and_no_other_user_can_read_the_key(tmp_path):
    for name in ("secrets", "passwords"):
        (tmp_path / name).mkdir(mode=0o700)
    [script] = COMPOSE_POSTGRES["services"]["secrets"]["command"]
    folder = tmp_path / "secrets"

    def start():
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        subprocess.run(["sh", "-euc", script.replace("$$", "$")], cwd=folder, check=True, env={"PATH": path})
        files = [*folder.iterdir(), *(tmp_path / "passwords").iterdir()]
        return {file.name: (file.read_text().strip(), file.stat().st_mode & 0o777) for file in files}

    made = start()
    assert start() == made
    secret = dict.fromkeys(("secret_key", "database_url", "reader_database_url"), 0o600)
    readable = dict.fromkeys(("superuser", "owner", "reader"), 0o644)
    assert {name: mode for name, (_, mode) in made.items()} == secret | readable
    config = read_config({f"{PREFIX}{name.upper()}_FILE": str(folder / name) for name in secret})
    assert len(config.secret_key) >= 32
    assert config.database_url == f"postgresql://commentsvc:{made['owner'][0]}@postgres/commentsvc"
    assert config.reader_database_url == f"postgresql://commentsvc_reader:{made['reader'][0]}@postgres/commentsvc"
    assert len({value for value, _ in made.values()}) == len(made)


def test_make_help_explains_every_make_command():
    help_text = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    makefile = (ROOT / "Makefile").read_text()
    phony, attacks = (re.search(rf"^{name} (.*)", makefile, re.MULTILINE)[1] for name in (r"\.PHONY:", "ATTACKS ="))
    phony = phony.replace("$(ATTACKS)", attacks).split()

    assert re.findall(r"^make (\w+)  +\S", help_text, flags=re.MULTILINE) == phony
    used = set(re.findall(r"\bmake (\w+)", CI))
    assert {"lint", "types", "release", "test"} <= used <= set(phony)


def test_ci_is_executable_and_fails_if_a_test_is_skipped():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=True)
    assert "set -euo pipefail" in CI
    assert re.search(r'COMMENTSVC_TEST_ALL=1 "\$\{@:2\}"', CI)
    assert "COMMENTSVC_TEST_ALL" in (ROOT / "tests" / "conftest.py").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "code", "words"),
    [
        ("once", 0, "UNSTEADY, passed alone: test_it.py::test_bad[0]"),
        ("always", 1, "FAILED: tests"),
        ("four", 1, "FAILED: tests"),
        ("skip", 1, "FAILED: tests"),
    ],
)
def test_ci_runs_a_failed_test_once_more_and_names_it(tmp_path, bad, code, words):
    steps = 'main() {\n    step "tests" tests python3 .venv\n    close\n}'
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text(
        re.sub(r"(?s)main\(\) \{.*?\n\}", lambda _: steps, CI, count=1), encoding="utf-8"
    )
    (tmp_path / "Makefile").write_text("test:\n\t.venv/bin/python -m pytest\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "import os\ndef pytest_sessionfinish(session):\n"
        "    if os.path.exists('skipped'):\n"
        "        print('1 tests were skipped that should have run')\n        session.exitstatus = 1\n",
        encoding="utf-8",
    )
    (tmp_path / "test_it.py").write_text(
        "import os, pathlib, pytest\n"
        f"@pytest.mark.parametrize('number', range({4 if bad == 'four' else 1}))\n"
        "def test_bad(number):\n"
        f"    if {bad!r} == 'skip':\n        pathlib.Path('skipped').touch()\n"
        "    seen = pathlib.Path(f'seen{number}')\n    again = seen.exists()\n    seen.touch()\n"
        f"    assert again and {bad!r} != 'always'\n"
        "def test_good(): pass\n",
        encoding="utf-8",
    )
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    (tmp_path / ".venv" / "bin" / "python").chmod(0o755)

    done = subprocess.run(["bash", tmp_path / ".ci" / "run"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, words in done.stdout) == (code, True), done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == {"once": "2 passed, 0 failed"}.get(bad, done.stdout.splitlines()[-1])


def test_a_contributor_is_told_which_python_version_is_needed(tmp_path):
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\ncase $2 in *exit*) exit 1;; *) echo 3.10;; esac\n", encoding="utf-8")
    old.chmod(0o755)
    for python, named in ((old, f"{old} is 3.10"), (tmp_path / "none", "was not found")):
        done = run_package_script("run", python)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("commentsvc needs Python 3.11 or newer; ")
        assert named in done.stderr


def run_package_script(task, python, **environment):
    return subprocess.run(
        [ROOT / "scripts" / "debian-packages", task, python],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


def test_a_contributor_without_pip_is_told_what_to_install(tmp_path):
    """Simulate Debian without the package python3-venv, and a user who cannot run apt-get."""
    for name, script in {
        "python3": 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.11;; esac',
        "apt-get": "exit 100",
        "apt-cache": "exit 100",
        "sudo": "exit 1",
        "id": "echo 1000",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = run_package_script("run", "python3", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("sudo apt-get install --yes python3-venv\n")


def test_the_lookalike_table_matches_its_unicode_version():
    generator = runpy.run_path(str(ROOT / "scripts" / "generate_confusables.py"))
    lines = ["\ufeff# Version: 17.0.0\n", "0430 ;\t0061 ;\tMA\t# a\n", "0412 ; 0042 ; MA\n", "041C ; 0072 006E ; MA\n"]

    table = generator["lookalikes"](generator["prototypes"](lines))

    assert table == {"a": "а", "b": "в", "m": "м"}
    assert generator["UNICODE_VERSION"] == confusables_data.UNICODE_VERSION
    assert generator["module"](confusables_data.LOOKALIKES) == Path(confusables_data.__file__).read_text()
