"""Where keys and passwords come from, and where they never go."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

import pytest

from program import Program
from strongroom import KdfParameters, Password, RootKey, inspect_file, seal_bytes

PASSWORD = "corr\u00e8ct h\u00f6rse"


@pytest.fixture(scope="module")
def by_password() -> bytes:
    """Sealed with PASSWORD, as cheaply as can be."""
    kdf = KdfParameters(64 * 1024, 3, 2)
    return seal_bytes(b"data", key=Password(PASSWORD, kdf=kdf))


@pytest.fixture
def folder(tmp_path: Path, by_password: bytes) -> Path:
    (tmp_path / "s").write_bytes(by_password)
    (tmp_path / "pw").write_text(PASSWORD + "\n", "utf-8")
    return tmp_path


def opens(program: Program, *words: object, **options: object) -> None:
    """The words unlock s; out is removed again."""
    program("open", *words, "s", "-o", "out", **options)
    assert (program.folder / "out").read_bytes() == b"data"
    (program.folder / "out").unlink()


def test_sealing_with_a_password_uses_the_default_cost(program: Program, folder: Path) -> None:
    (folder / "in").write_bytes(b"data")
    program("seal", "--password-file", "pw", "in", "-o", "new")
    (line,) = program("info", "new", "--json").lines
    cost = {"type": "password", "memory_kib": 262144, "passes": 4, "lanes": 4}
    assert line["envelopes"] == [cost]
    program("open", "--password-file", "pw", "new", "-o", "out")
    assert (folder / "out").read_bytes() == b"data"


@pytest.mark.parametrize(
    "written",
    [
        PASSWORD,
        PASSWORD + "\n",
        PASSWORD + "\r\n",
        PASSWORD + "\nsecond line\n",
        unicodedata.normalize("NFD", PASSWORD) + "\n",
    ],
)
def test_the_first_line_of_a_file_normalised_is_the_password(
    program: Program, folder: Path, written: str
) -> None:
    (folder / "pw").write_bytes(written.encode())
    opens(program, "--password-file", "pw")


@pytest.mark.parametrize(
    "written", [PASSWORD + " \n", " " + PASSWORD, PASSWORD.upper(), PASSWORD + "\r\r\n", "pw"]
)
def test_another_first_line_is_a_wrong_password(
    program: Program, folder: Path, written: str
) -> None:
    (folder / "pw").write_bytes(written.encode())
    run = program("open", "--password-file", "pw", "s", "-o", "out", code=12)
    assert "wrong password" in run.err
    assert written.strip() not in run.err
    assert not (folder / "out").exists()


def test_a_password_comes_from_a_command(program: Program, folder: Path) -> None:
    opens(program, "--password-command", "cat pw")
    opens(program, "--password-command", "sh -c 'cat pw; echo more'")


def test_a_password_command_does_not_take_the_data(program: Program, folder: Path) -> None:
    run = program("open", "--password-command", "cat - pw", "-", "-o", "-", data=_sealed(folder))
    assert run.out == b"data"


def _sealed(folder: Path) -> bytes:
    return (folder / "s").read_bytes()


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("false", 1, "the password command false ended with 1"),
        ("no-such-program --x", 1, "running the password command no-such-program: No such file"),
        ("true", 2, "the password is empty"),
        ("  ", 2, "the password command is empty"),
        ("echo 'unclosed", 2, "the password command"),
    ],
)
def test_a_password_command_that_fails_is_an_error(
    program: Program, folder: Path, command: str, code: int, words: str
) -> None:
    run = program("open", "--password-command", command, "s", "-o", "out", code=code)
    assert words in run.err


def test_a_password_comes_from_a_descriptor(program: Program, folder: Path) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, PASSWORD.encode() + b"\nignored")
        os.close(writer)
        opens(program, "--password-fd", reader, pass_fds=[reader])
    finally:
        os.close(reader)
    opens(program, "--password-fd", "0", data=PASSWORD.encode())


def test_a_descriptor_that_is_not_open_is_an_error(program: Program, folder: Path) -> None:
    run = program("open", "--password-fd", "77", "s", "-o", "out", code=1)
    assert "reading descriptor 77: Bad file descriptor" in run.err
    program("open", "--password-fd", "-1", "s", "-o", "out", code=2)


def test_password_and_data_do_not_share_standard_input(program: Program, folder: Path) -> None:
    run = program("open", "--password-fd", "0", "-", "-o", "out", code=2, data=b"pw\n")
    assert "cannot both be standard input" in run.err


def test_a_password_comes_from_the_environment(program: Program, folder: Path) -> None:
    opens(program.with_env(STRONGROOM_PASSWORD=PASSWORD))
    opens(program.with_env(STRONGROOM_PASSWORD=unicodedata.normalize("NFD", PASSWORD)))
    opens(program.with_env(STRONGROOM_PASSWORD_FILE="pw"))
    opens(program.with_env(STRONGROOM_PASSWORD_COMMAND="cat pw"))


@pytest.mark.parametrize(
    ("name", "value", "code", "words"),
    [
        ("STRONGROOM_PASSWORD", "", 2, "STRONGROOM_PASSWORD is set but empty"),
        ("STRONGROOM_PASSWORD", "\nsecond", 2, "the password is empty"),
        ("STRONGROOM_PASSWORD", b"\xff\xfe", 2, "the password is not UTF-8"),
        ("STRONGROOM_PASSWORD_FILE", "", 2, "STRONGROOM_PASSWORD_FILE is set but empty"),
        ("STRONGROOM_PASSWORD_FILE", "nowhere", 1, "reading nowhere: No such file"),
        ("STRONGROOM_PASSWORD_FILE", "/dev/null", 2, "the password is empty"),
        ("STRONGROOM_PASSWORD_COMMAND", "", 2, "STRONGROOM_PASSWORD_COMMAND is set but empty"),
        ("STRONGROOM_PASSWORD_COMMAND", "false", 1, "the password command false ended with 1"),
    ],
)
def test_an_invalid_environment_value_is_an_error(
    program: Program, folder: Path, name: str, value: str | bytes, code: int, words: str
) -> None:
    run = program.with_env(**{name: value})("open", "s", "-o", "out", code=code)
    assert words in run.err


def test_two_environment_values_are_refused(program: Program, folder: Path) -> None:
    both = program.with_env(STRONGROOM_PASSWORD="x", STRONGROOM_PASSWORD_FILE="pw")
    run = both("open", "s", "-o", "out", code=2)
    assert "STRONGROOM_PASSWORD and STRONGROOM_PASSWORD_FILE are both set" in run.err


def test_an_option_goes_before_the_environment(program: Program, folder: Path) -> None:
    opens(program.with_env(STRONGROOM_PASSWORD="wrong"), "--password-file", "pw")
    (folder / "k").write_bytes(seal_bytes(b"data", key=RootKey.from_digits(_digits(folder))))
    program.with_env(STRONGROOM_PASSWORD="")("open", "--key-file", "my.key", "k", "-o", "out")


def _digits(folder: Path) -> str:
    return (folder / "my.key").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("--key-file", "my.key", "--password-file", "pw"),
        ("--password-file", "pw", "--password-command", "cat pw"),
        ("--key-file", "my.key", "--password-fd", "0"),
    ],
)
def test_more_than_one_secret_is_refused(
    program: Program, folder: Path, words: tuple[str, ...]
) -> None:
    run = program("open", *words, "s", "-o", "out", code=2)
    assert "more than one key or password was given" in run.err


def test_without_secret_or_terminal_the_options_are_named(program: Program, folder: Path) -> None:
    run = program("open", "s", "-o", "out", code=2, start_new_session=True)
    assert "there is no terminal to ask on" in run.err
    assert "hint: pass --key-file FILE or --password-file FILE" in run.err


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"\nsecond\n"])
def test_an_empty_password_is_refused(program: Program, folder: Path, content: bytes) -> None:
    (folder / "pw").write_bytes(content)
    run = program("seal", "--password-file", "pw", "s", "-o", "out", code=2)
    assert "the password is empty" in run.err


def test_a_password_file_that_is_no_text_is_refused(program: Program, folder: Path) -> None:
    (folder / "pw").write_bytes(b"caf\xe9\n")
    run = program("open", "--password-file", "pw", "s", "-o", "out", code=2)
    assert "the password is not UTF-8 text" in run.err
    (folder / "pw").write_bytes(b"x" * 70_000)
    run = program("open", "--password-file", "pw", "s", "-o", "out", code=2)
    assert "longer than 65536 bytes" in run.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("00" * 31, "a key has 64 digits, this has 62"),
        ("", "a key has 64 digits, this has 0"),
        ("0" * 40 + "x" + "0" * 23, "digit 41 of the key (group 11) is not 0-9 or a-f"),
    ],
)
def test_a_key_file_that_holds_no_key_is_a_wrong_key(
    program: Program, folder: Path, content: str, words: str
) -> None:
    (folder / "my.key").write_text(content)
    run = program("open", "--key-file", "my.key", "s", "-o", "out", code=12)
    assert words in run.err
    assert "hint: a key is 64 hexadecimal digits" in run.err


def test_a_key_file_that_cannot_be_read_is_named(program: Program, folder: Path) -> None:
    run = program("open", "--key-file", "nowhere", "s", "-o", "out", code=1)
    assert "reading nowhere: No such file or directory" in run.err
    run = program("open", "--key-file", ".", "s", "-o", "out", code=1)
    assert "reading .: Is a directory" in run.err


def test_a_key_file_that_others_can_read_brings_a_warning(program: Program, folder: Path) -> None:
    (folder / "my.key").chmod(0o644)
    run = program("seal", "--key-file", "my.key", "s", "-o", "a")
    assert run.err == "strongroom: warning: my.key can be read by others; chmod 600 it\n"
    assert program("seal", "-q", "--key-file", "my.key", "s", "-o", "b").err == ""


def test_no_option_takes_a_secret_itself(program: Program, folder: Path) -> None:
    for option in ("--password", "--key", "-p", "-k"):
        program("open", option, PASSWORD, "s", "-o", "out", code=2)
    for verb in ("seal", "open"):
        words = program(verb, "--help").out.decode()
        assert "--password " not in words
        assert "--key " not in words


def test_secrets_never_reach_the_output(program: Program, folder: Path) -> None:
    runs = [
        program("seal", "--key-file", "my.key", "-v", "--json", "pw", "-o", "k"),
        program("open", "--key-file", "my.key", "-v", "k", "-o", "pw.again"),
        program("open", "--key-file", "my.key", "-v", "s", "-o", "out", code=12),
        program.with_env(STRONGROOM_PASSWORD=PASSWORD)("open", "-v", "--json", "s", "-o", "out"),
        program.with_env(STRONGROOM_PASSWORD=PASSWORD)("open", "-v", "k", "-o", "o", code=12),
    ]
    said = b"".join(run.out + run.err.encode() for run in runs)
    digits = _digits(folder).split()
    assert not [group for group in [PASSWORD, "".join(digits)] if group.encode() in said]
    assert " ".join(digits[:2]).encode() not in said


# --- Costs of password files that came from elsewhere ---


def costing(sealed: bytes, memory_kib: int, passes: int) -> bytes:
    """The same file, claiming another cost."""
    head = bytearray(sealed[:4064])
    head[164:169] = memory_kib.to_bytes(4, "big") + bytes([passes])
    return bytes(head) + hashlib.sha256(head).digest() + sealed[4096:]


@pytest.mark.parametrize(("memory_kib", "passes"), [(2 * 2**20, 4), (64 * 1024, 16)])
def test_an_unusually_costly_password_needs_permission(
    program: Program, folder: Path, by_password: bytes, memory_kib: int, passes: int
) -> None:
    (folder / "s").write_bytes(costing(by_password, memory_kib, passes))
    run = program("open", "--password-file", "pw", "s", "-o", "out", code=14)
    assert "unusually costly" in run.err
    assert "--allow-kdf" in run.err


def test_permission_lets_a_costly_password_be_tried(
    program: Program, folder: Path, by_password: bytes
) -> None:
    (folder / "s").write_bytes(costing(by_password, 64 * 1024, 9))
    run = program("open", "--allow-kdf", "--password-file", "pw", "s", "-o", "out", code=12)
    assert "wrong password" in run.err


# --- On a terminal ---


def test_seal_asks_twice_and_shows_nothing(program: Program, folder: Path) -> None:
    typed = PASSWORD.encode() + b"\n"
    replies = [(b"Password: ", typed), (b"Once more: ", typed)]
    run = program.on_terminal("seal", "pw", "-o", "new", replies=replies)
    assert run.code == 0, run
    assert PASSWORD not in run.err
    assert run.err.index("Password: ") < run.err.index("Once more: ")
    assert inspect_file(folder / "new").password_kdf == KdfParameters()


def test_open_asks_once(program: Program, folder: Path) -> None:
    replies = [(b"Password: ", PASSWORD.encode() + b"\n")]
    run = program.on_terminal("open", "s", "-o", "out", replies=replies)
    assert run.code == 0, run
    assert "Once more" not in run.err
    assert (folder / "out").read_bytes() == b"data"


def test_a_typing_error_when_sealing_is_refused(program: Program, folder: Path) -> None:
    replies = [(b"Password: ", b"one\n"), (b"Once more: ", b"two\n")]
    run = program.on_terminal("seal", "pw", "-o", "new", replies=replies)
    assert run.code == 2
    assert "the two passwords differ" in run.err
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (b"\n", 2, "the password is empty"),
        (b"\x04", 2, "no password was typed"),
        (b"\x03", 130, "interrupted"),
        (b"wrong\n", 12, "wrong password"),
    ],
)
def test_what_is_typed_instead_of_a_password_is_answered(
    program: Program, folder: Path, typed: bytes, code: int, words: str
) -> None:
    run = program.on_terminal("open", "s", "-o", "out", replies=[(b"Password: ", typed)])
    assert run.code == code, run
    assert words in run.err
    assert "Traceback" not in run.err
    assert not (folder / "out").exists()


def test_the_prompt_works_while_standard_input_is_the_data(program: Program, folder: Path) -> None:
    replies = [(b"Password: ", b"x\n"), (b"Once more: ", b"x\n")]
    run = program.on_terminal("seal", "-", "-o", "-", replies=replies, piped=(0, 1))
    assert run.code == 0, run
    (folder / "new").write_bytes(run.out)
    assert inspect_file(folder / "new").password_kdf == KdfParameters()
