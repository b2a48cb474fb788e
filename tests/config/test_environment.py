"""An operator sets the service by environment variables, as platforms, editors and files deliver them."""

import codecs
import http.server
import os
import re
import threading
from contextlib import contextmanager

import pytest

from commentsvc.config.environment import read_config
from commentsvc.config.settings import Config
from commentsvc.domain.errors import ConfigurationError
from tests.conftest import OLD_SECRET, SECRET
from tests.operations.test_operating import run_main

ADMIN_KEY = "an-admin-key-of-the-tests-of-enough-length"
POSTGRES = "postgresql://ada:secret@db.example/comments"


@pytest.fixture(autouse=True)
def of_this_user_only():
    """Files with secrets must not be readable by others."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def read(**settings):
    return read_config({f"COMMENTSVC_{name}": value for name, value in settings.items()})


def faults(**settings):
    """Return the faults of these settings, one a line."""
    with pytest.raises(ConfigurationError) as refused:
        read(**settings)
    return str(refused.value).splitlines()


def fault(**settings):
    (line,) = faults(**settings)
    return line


# What Kubernetes gives to each container of a namespace with these Services, by name.
KUBERNETES = {
    "SERVICE_HOST": "10.96.12.7",
    "SERVICE_PORT": "8080",
    "SERVICE_PORT_HTTP": "8080",
    "PORT": "tcp://10.96.12.7:8080",
    "PORT_8080_TCP": "tcp://10.96.12.7:8080",
    "PORT_8080_TCP_PROTO": "tcp",
    "PORT_8080_TCP_PORT": "8080",
    "PORT_8080_TCP_ADDR": "10.96.12.7",
    "PORT_53_UDP": "udp://10.96.12.7:53",
    "PORT_9_SCTP_ADDR": "fd00::7",
    "POSTGRES_SERVICE_HOST": "10.96.0.9",
    "POSTGRES_SERVICE_PORT_POSTGRES": "5432",
    "POSTGRES_PORT": "tcp://[fd00::9]:5432",
    "POSTGRES_PORT_5432_TCP_ADDR": "fd00::9",
}
# What Docker gives to a container with links.
LINKS = {
    "NAME": "/web/commentsvc",
    "PORT": "tcp://172.17.0.5:8080",
    "PORT_8080_TCP_START": "tcp://172.17.0.5:8080",
    "PORT_8080_TCP_PORT_END": "8090",
    "ENV_PATH": "/usr/bin",
    "ENV_COMMENTSVC_HOST": "::",
    "DB_NAME": "/web/commentsvc-db",
    "DB_ENV_POSTGRES_USER": "ada",
    "DB_PORT": "tcp://172.17.0.6:5432",
}


@pytest.mark.parametrize("injected", [KUBERNETES, LINKS], ids=["kubernetes", "docker links"])
def test_an_operator_names_a_service_of_the_platform_commentsvc(injected):
    assert read(**injected) == read()
    for name, value in injected.items():
        if not name.startswith("DB_ENV"):
            assert read(**{name: value}) == read(), name


def test_an_operator_sets_the_port_although_the_platform_injects_one():
    assert read(**KUBERNETES | {"PORT": "9000"}).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http://10.0.0.1:8080"),
        ("PORT", "10.0.0.1:8080"),
        ("HOST", "tcp://10.0.0.1:8080"),
        ("NAME", "blog"),
        ("SERVICE", "10.0.0.1"),
        ("SERVICE_HOSTS", "10.0.0.1"),
        ("PORT_TCP", "tcp://10.0.0.1:8080"),
        ("PORT_8080", "tcp://10.0.0.1:8080"),
        ("PORTS", "tcp://10.0.0.1:8080"),
        ("DB_ENV_USER", "ada"),
        ("ENVIRONMENT", "production"),
        ("port_8080_tcp", "tcp://10.0.0.1:8080"),
    ],
)
def test_a_typing_error_is_not_taken_for_a_variable_of_the_platform(name, value):
    assert f"COMMENTSVC_{name}" in fault(**{name: value})


def test_a_typing_error_is_named_among_variables_of_the_platform():
    assert fault(**KUBERNETES, SITE="https://blog.example") == (
        "Unknown setting COMMENTSVC_SITE. Did you mean COMMENTSVC_SITES?"
    )


@pytest.mark.parametrize("variable", ["commentsvc_port", "Commentsvc_Port", "commentsvc_PORT"])
def test_an_operator_who_sets_a_variable_in_small_letters_reads_its_name(variable):
    with pytest.raises(ConfigurationError) as refused:
        read_config({variable: "9000"})
    assert str(refused.value) == f"Unknown setting {variable}. Did you mean COMMENTSVC_PORT?"
    assert read_config({"commentsvc_unit": "x", "commentsvc": "x", "port": "x"}) == read()


@contextmanager
def answering():
    """Answer every request on a free port, as a running service does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_the_health_check_reads_the_settings_as_the_service_does(tmp_path):
    with answering() as port:
        assert run_main(tmp_path, "healthcheck", PORT=f'\ufeff"{port}"\r', HOST="'127.0.0.1'").returncode == 0
    done = run_main(tmp_path, "healthcheck", PORT="tcp://10.96.12.7:8080", HOST="127.255.255.254")
    # Nothing listens there; the port is not a fault.
    assert (done.returncode, done.stderr) == (1, "commentsvc: commentsvc is not running at 127.255.255.254:8080.\n")


@pytest.mark.parametrize("host", ["two words", f"b\xe4.{'x' * 100}", "host\x7f"])
def test_the_health_check_names_a_host_that_is_none(tmp_path, host):
    done = run_main(tmp_path, "healthcheck", HOST=host)
    assert (done.returncode, done.stderr.startswith(f"commentsvc: COMMENTSVC_HOST: {host}")) == (78, True)


def test_every_address_can_be_written_as_a_star():
    assert read(HOST="*").host == "*"


@pytest.mark.parametrize(
    "written",
    [
        "{}",
        " {} ",
        "{}\r",
        "{}\r\n",
        "\ufeff{}",
        '"{}"',
        "'{}'",
        '"{}"\r',
        "\ufeff'{}'\r\n",
        '" {}\r"',
        "\u200b{}\u00a0",
    ],
)
def test_an_operator_sets_values_from_files_of_any_editor(tmp_path, written):
    values = {
        "HOST": "::1",
        "PORT": "9000",
        "SITES": "https://a.example https://b.example",
        "MODERATION": "trusted",
        "TRUSTED_PROXIES": "10.0.0.0/8",
        "RATE_LIMIT": "off",
        "DATABASE_URL": POSTGRES,
        "SECRET_KEY": f"{SECRET} {OLD_SECRET}",
        "ADMIN_KEY": ADMIN_KEY,
    }
    assert read(**{name: written.format(value) for name, value in values.items()}) == read(**values)

    file = tmp_path / "secret"
    file.write_text(written.format(SECRET), encoding="utf-8", newline="")
    assert read(SECRET_KEY_FILE=written.format(file)).secret_key == SECRET


def test_an_operator_separates_values_by_any_white_space():
    plain = read(SITES="https://a.example https://b.example")
    assert read(SITES="https://a.example\r\nhttps://b.example\r\n").origins == plain.origins
    assert read(SITES='"https://a.example" "https://b.example"').origins == plain.origins


@pytest.mark.parametrize(("encoding", "mark"), [("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)])
def test_an_operator_writes_a_secret_with_powershell(tmp_path, encoding, mark):
    file = tmp_path / "key.txt"
    file.write_bytes(mark + f"{SECRET}\r\n".encode(encoding))
    assert read(SECRET_KEY_FILE=str(file)).secret_key == SECRET


def test_a_byte_order_mark_before_the_name_of_the_first_setting_counts_for_nothing():
    assert read_config({"\ufeffCOMMENTSVC_PORT": "9000"}).port == 9000
    assert read_config({"\ufeffCOMMENTSVC_PORT": "9000", "COMMENTSVC_PORT": "9001"}).port == 9001


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t", b"\xef\xbb\xbf", b'""\n', b"\xff\xfe\r\0\n\0"])
@pytest.mark.parametrize("name", ["DATABASE_URL", "SECRET_KEY", "ADMIN_KEY"])
def test_an_empty_file_is_refused(tmp_path, name, content):
    file = tmp_path / "empty"
    file.write_bytes(content)
    assert fault(**{f"{name}_FILE": str(file)}).startswith(f"COMMENTSVC_{name}_FILE names an empty file. ")


def test_an_empty_database_url_file_starts_no_new_database(tmp_path):
    (tmp_path / "url").touch()
    done = run_main(tmp_path, "migrate", DATABASE_URL_FILE="url")
    assert (done.returncode, [file.name for file in tmp_path.iterdir()]) == (78, ["url"])


@pytest.mark.parametrize("empty", ["", " ", "''"])
def test_an_empty_name_of_a_file_is_refused(empty):
    assert fault(DATABASE_URL_FILE=empty).startswith("COMMENTSVC_DATABASE_URL_FILE is empty. ")
    assert read(DATABASE_URL=POSTGRES, DATABASE_URL_FILE=empty, SECRET_KEY=SECRET).database_url == POSTGRES


@pytest.mark.parametrize("content", [b"\xff" * 40, b"k\0e\0y\0" * 20, "ключ".encode("utf-16-le") * 20])
def test_a_secret_that_is_not_text_is_refused(tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content)
    assert "UTF-8 text" in fault(SECRET_KEY_FILE=str(file))
    assert "UTF-8 text" in fault(SECRET_KEY="\udcff" * 40)


def test_a_folder_or_a_missing_file_in_place_of_a_secret_is_named(tmp_path):
    assert "(Is a directory). Correct its path" in fault(SECRET_KEY_FILE=str(tmp_path))
    assert "(No such file or directory). Correct its path" in fault(SECRET_KEY_FILE=str(tmp_path / "none"))


def test_an_operator_reads_all_faults_of_all_settings_at_once(tmp_path):
    (tmp_path / "empty").touch()
    wrong = {
        "HOST": "http://0.0.0.0",
        "PORT": "eighty",
        "DATABASE_URL": "mysql://x",
        "PUBLIC_URL": "comments",
        "SITES": "blog.example https://blog.example/path",
        "DROPPED_PARAMETERS": "a,b",
        "SECRET_KEY": "short",
        "ADMIN_KEY_FILE": str(tmp_path / "empty"),
        "MODERATION": "ALL",
        "RATE_LIMIT": "9999/1",
        "FORM_SECONDS": "60-3",
        "TRUSTED_PROXIES": "10.0.0.5/8 proxy",
        "NONSENSE": "1",
    }
    lines = faults(**wrong)
    for name in wrong:
        assert any(f"COMMENTSVC_{name}" in line for line in lines), name
    assert len(lines) == len(wrong) + 1  # two different faults of TRUSTED_PROXIES
    assert len(set(lines)) == len(lines)


def test_a_secret_key_is_required_with_postgresql_and_named_with_the_other_faults():
    first, second = faults(DATABASE_URL=POSTGRES, PORT="x")
    assert "COMMENTSVC_PORT" in first
    assert second.startswith("COMMENTSVC_SECRET_KEY must be set with PostgreSQL.")


@pytest.mark.parametrize("separator", [",", ", ", ";", " ; "])
def test_commas_between_values_are_named(separator):
    for name, values in {
        "SITES": ("https://a.example", "https://b.example"),
        "TRUSTED_PROXIES": ("10.0.0.0/8", "127.0.0.1"),
        "DROPPED_PARAMETERS": ("source", "promo_*"),
        "SECRET_KEY": (SECRET, OLD_SECRET),
    }.items():
        line = fault(**{name: separator.join(values)})
        assert line.startswith(f"COMMENTSVC_{name} has ")
        assert "commas" in line
        assert "spaces" in line
        assert read(**{name: " ".join(values)})


def test_a_comma_inside_one_secret_key_is_part_of_it():
    assert read(SECRET_KEY=f"{SECRET},x").secret_key == f"{SECRET},x"


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("MODERATION", "ALL", "Use small letters: all."),
        ("MODERATION", "Trusted", "Use small letters: trusted."),
        ("LOG_FORMAT", "JSON", "Use small letters: json."),
        ("RATE_LIMIT", "OFF", "Use small letters: off."),
        ("DELIVERABILITY", "true", "Write on instead of true."),
        ("DELIVERABILITY", "False", "Write off instead of false."),
        ("DELIVERABILITY", "1", "Write on instead of 1."),
        ("PROOF_OF_WORK", "yes", "Write on instead of yes."),
        ("RATE_LIMIT", "false", "Write off instead of false."),
        ("FORM_SECONDS", "no", "Write off instead of no."),
        ("FORM_SECONDS", "3 \u2013 86400", "Use a plain hyphen: 3-86400."),
        ("RATE_LIMIT", "20 / 300", "Remove commas and spaces: 20/300."),
        ("COMMENT_LENGTH", "10,000", "Remove commas and spaces: 10000."),
        ("PORT", "8080  # behind nginx", "Remove the comment: 8080."),
        ("PORT", '"8080', "Remove the quotes: 8080."),
        ("LOG_FORMAT", "\u201cjson\u201d", "Remove the quotes: json."),
        ("TRUSTED_PROXIES", "10.0.0.5/8", "Write 10.0.0.0/8."),
        ("OUTBOUND_ALLOW", "10.0.0.5/8", "Write 10.0.0.0/8."),
        ("OUTBOUND_ALLOW", "hooks.example", "Names and ports are not possible."),
        ("TRUSTED_PROXIES", "2001:db8::1/32", "Write 2001:db8::/32."),
        ("TRUSTED_PROXIES", "10.0.0.1:8080", "Names and ports are not possible."),
        ("HOST", "/run/http.sock", "For a socket, write unix: before its full path."),
        ("HOST", "UNIX:/run/http.sock", "For a socket, write unix: before its full path."),
        ("HOST", "http.sock/", "A scheme or path does not belong here."),
        ("HOST", "unix:http.sock", "COMMENTSVC_HOST needs the full path of the socket"),
        ("HOST", "unix:", "COMMENTSVC_HOST needs the full path of the socket"),
        ("HOST", "unix:/tmp", "COMMENTSVC_HOST: /tmp is a folder."),
        ("HOST", f"unix:/{'x' * 120}", "the path has more than 107 bytes"),
        ("HOST", "0.0.0.0:8080", "A port belongs in COMMENTSVC_PORT."),
        ("HOST", "localhost:8080", "A port belongs in COMMENTSVC_PORT."),
        ("HOST", "[::]:8080", "A port belongs in COMMENTSVC_PORT."),
        ("HOST", "https://comments.example/", "A scheme or path does not belong here."),
        ("HOST", "256.0.0.1", "Use 127.0.0.1, 0.0.0.0, :: or unix:/run/commentsvc/http.sock."),
        ("HOST", "0.0.0.0,::", "Write one address only."),
        ("HOST", "0.0.0.0 ::", "Write one address only."),
        ("PUBLIC_URL", "https://a.example, https://b.example", "must be one address"),
        ("ADMIN_KEY", f"{ADMIN_KEY} {ADMIN_KEY}", "one word"),
    ],
)
def test_a_slip_is_named_with_its_cure(name, value, cure):
    line = fault(**{name: value})
    assert re.match(rf"COMMENTSVC_{name}\b", line)
    assert cure in line


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "::", "::1", "[::1]", "fe80::1%lo", "localhost", "node-1.internal", "unix:/run/c.sock"]
)
def test_an_operator_names_where_to_listen(host):
    assert read(HOST=host).host == host


@pytest.mark.parametrize(("text", "network"), [("fe80::1%eth0", "fe80::1/128"), ("fe80::%eth0/64", "fe80::/64")])
def test_an_operator_may_name_a_proxy_with_its_interface(text, network):
    assert [str(one) for one in read(TRUSTED_PROXIES=text).proxies] == [network]


@pytest.mark.parametrize("empty", ["", " ", '""'])
def test_an_empty_setting_allows_no_more_than_a_missing_one(empty):
    for name in Config.__struct_fields__:
        assert read(**{name.upper(): empty}) == read(), name
