"""An operator keeps settings in a file."""

import pytest

from commentsvc.config.environment import read_config
from commentsvc.domain.errors import ConfigurationError
from tests.operations.test_operating import run_main


def read(file, text, **environment):
    file.write_text(text, encoding="utf-8")
    return read_config({"COMMENTSVC_SETTINGS_FILE": str(file)} | environment)


def test_an_operator_keeps_settings_in_a_file(tmp_path):
    text = """# our blog
    COMMENTSVC_SITES = "https://blog.example"

    export COMMENTSVC_NESTING=2
    IMAGE=commentsvc
    """
    config = read(tmp_path / "settings", text)
    assert (config.sites, config.nesting) == ("https://blog.example", 2)


def test_an_operator_overrides_the_file_by_an_environment_variable(tmp_path):
    config = read(tmp_path / "settings", "COMMENTSVC_NESTING=2\nCOMMENTSVC_PORT=81", COMMENTSVC_NESTING="3")
    assert (config.nesting, config.port) == (3, 81)
    assert read(tmp_path / "settings", "COMMENTSVC_NESTING=2", COMMENTSVC_NESTING="").nesting == 2


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("COMMENTSVC_NESTING", "COMMENTSVC_SETTINGS_FILE: line 1 is not NAME=value. Correct it."),
        ("\nCOMMENTSVC_NESTNIG=2", "Did you mean COMMENTSVC_NESTING?"),
        ("commentsvc_nesting=2", "Did you mean COMMENTSVC_NESTING?"),
        ("COMMENTSVC_NESTING=deep", "COMMENTSVC_NESTING must be a whole number"),
    ],
)
def test_an_operator_reads_what_is_wrong_in_the_file(tmp_path, text, advice):
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path / "settings", text)
    assert advice in str(refused.value)


@pytest.mark.parametrize("command", ["serve", "healthcheck"])
def test_an_operator_reads_that_the_file_is_missing(tmp_path, command):
    done = run_main(tmp_path, command, SETTINGS_FILE=str(tmp_path / "none"))
    assert done.returncode == 78
    assert "COMMENTSVC_SETTINGS_FILE names a file that cannot be read (No such file or directory)." in done.stderr


def test_the_health_check_finds_the_port_in_the_file(tmp_path):
    (tmp_path / "settings").write_text("COMMENTSVC_PORT=eighty", encoding="utf-8")
    done = run_main(tmp_path, "healthcheck", SETTINGS_FILE=str(tmp_path / "settings"))
    assert (done.returncode, "COMMENTSVC_PORT" in done.stderr) == (78, True)
