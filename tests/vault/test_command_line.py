"""The vault from the command line: registered, recovered from, changed, removed."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from program import Program
from strongroom import RootKey
from strongroom.vault.client.address import fingerprint, parse_address
from strongroom.vault.client.derive import owner_key, public_of
from strongroom.vault.client.endpoint import Endpoint
from strongroom.vault.messages import Opened, RegisterBegin
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from vault.machines import NEW, PASSWORD, Home, left, make_home, place_of, registered
from vault.service import Service, served


def test_a_new_machine_needs_the_repository_the_token_and_the_password(
    home: Home, program: Program, key: RootKey
) -> None:
    (home.folder / "src").mkdir()
    (home.folder / "src/file").write_text("to be kept")
    first = home.machine
    first("backup", *home.ask, "src")
    new = first.another("second")
    run = new("restore", *home.ask, "latest", "--target", "restored", code=2)
    assert "this machine knows no vault" in run.err
    assert "--vault URL" in run.err
    run = new("restore", "--vault", home.service.url, *home.ask, "latest", "--target", "restored")
    assert "10 of 10 attempts left" in run.err
    assert (home.folder / "restored/src/file").read_text() == "to be kept"
    assert "snapshots" not in new("snapshots", *home.ask).err
    digits = new("key", "show-digits", *home.ask).out.decode()
    assert RootKey.from_digits(digits) == key
    new(
        "key",
        "check",
        "-r",
        "repo",
        "--token-file",
        home.token_file,
        "--vault",
        "--vault-password-file",
        "pw",
    )


WRONG = {
    3: "wrong password, 2 attempts left",
    2: "wrong password, 1 attempt left",
    1: "it was the last attempt: the vault destroyed what it held",
}


def test_wrong_guesses_are_told_burn_and_destroy(
    program: Program, key: RootKey, tmp_path: Path
) -> None:
    with served(tmp_path / "vault", policy="delays = [0]\nattempts = 3\n") as service:
        home = registered(make_home(program, key, service, "anna"))
        for n in (3, 2, 1):
            home.password(f"wrong number {n}")
            run = home.machine("snapshots", *home.ask, code=12)
            assert f"{n} of 3 attempts left" in run.err
            assert WRONG[n] in run.err
            assert ("this is the last one" in run.err) == (n == 1)
            assert ("destroys what it holds for good" in run.err) == (n == 1)
        home.password(PASSWORD)
        run = home.machine("snapshots", *home.ask, code=16)
        assert "destroyed" in run.err
        assert "--key-file" in run.err
        registered(home)
        home.machine("snapshots", *home.ask)


def test_a_guess_known_to_be_wrong_is_refused_without_spending_one(home: Home) -> None:
    home.password("wrong")
    home.machine("snapshots", *home.ask, code=12)
    for _ in range(2):
        run = home.machine("snapshots", *home.ask, code=12)
        assert "the vault was not asked" in run.err
    assert left(home) == 9
    (pins,) = home.machine.pins
    assert stat.S_IMODE(pins.stat().st_mode) == 0o600
    assert len(json.loads(pins.read_text())["wrong"]) == 1
    home.password(PASSWORD)
    home.machine("snapshots", *home.ask)
    assert json.loads(pins.read_text())["wrong"] == []


def test_no_remember_keeps_nothing(home: Home) -> None:
    home.password("wrong")
    for expected in (9, 8):
        home.machine("snapshots", *home.ask, "--no-remember", code=12)
        assert left(home) == expected
    (pins,) = home.machine.pins
    assert json.loads(pins.read_text())["wrong"] == []


def test_a_new_password_at_the_vault_replaces_the_old(home: Home) -> None:
    (before,) = home.slots()
    (home.folder / "new").write_text(NEW)
    run = home.machine("key", "change-password", *home.ask, "--new-password-file", "new")
    (after,) = home.slots()
    assert after != before
    assert after.removeprefix("keys/") in run.err
    assert len(place_of(home).records) == 1
    run = home.machine("snapshots", *home.ask, code=12)
    home.password(NEW)
    home.machine("snapshots", *home.ask)
    second = home.machine.another("second")
    second("snapshots", "--vault", home.service.url, *home.ask)


def test_the_digits_change_the_vaults_password_on_a_machine_that_is_told_its_address(
    home: Home,
) -> None:
    """What the repository says of it may be a slot of before, put back by who stores it."""
    (home.folder / "new").write_text(NEW)
    second = home.machine.another("second")
    words = ("key", "change-password", *home.account, "--key-file", "my.key")
    run = second(*words, "--new-password-file", "new", code=2)
    assert "--vault URL" in run.err
    second(*words, "--new-password-file", "new", "--vault", home.service.url)
    home.password(NEW)
    home.machine("snapshots", *home.ask)


def test_the_owner_is_told_of_a_request_and_revokes_it(home: Home) -> None:
    assert "nothing is waiting" in home.machine(*revoking(home)).err
    token = home.token_file.read_text().strip()
    thief = Endpoint(parse_address(home.service.url)[0], token, certificate=None)
    thief.call("register/begin", RegisterBegin(1, 64 * 1024, 3, 4, delayed=True), Opened)
    run = home.machine("snapshots", *home.ask)
    assert "somebody has your token" in run.err
    assert "revoked; ask for another token" in home.machine(*revoking(home)).err
    assert "somebody" not in home.machine("snapshots", *home.ask).err


def revoking(home: Home) -> tuple[str | Path, ...]:
    return ("key", "revoke", *home.account, "--key-file", "my.key")


def test_the_fingerprint_that_is_given_to_add_vault_is_compared(
    program: Program, key: RootKey, service: Service
) -> None:
    home = make_home(program, key, service, "fingerprint")
    words = (*home.account, "--key-file", "my.key", "--vault-password-file", "pw")
    run = home.machine("key", "add-vault", service.url + "#" + "0" * 32, *words, code=13)
    assert "nothing was stored" in run.err
    assert home.slots() == []
    assert home.machine.pins == []
    vault_id = Keeper([FileKeys(service.folder / "vault.key")]).vault_id
    right = fingerprint(public_of(owner_key(key, vault_id)))
    home.machine("key", "add-vault", f"{service.url}#{right}", *words)
    assert len(home.slots()) == 1


def test_removing_the_slot_destroys_what_the_vault_holds(home: Home, key: RootKey) -> None:
    (slot,) = home.slots()
    name = slot.removeprefix("keys/")
    words = ("key", "remove", name, "-r", "repo", "--key-file", "my.key", "--force")
    old = home.store.get(slot)
    home.machine(*words, "--token-file", home.token_file)
    assert home.slots() == []
    home.store.put(slot, old)
    run = home.machine("snapshots", "--vault", home.service.url, *home.ask, code=16)
    assert "destroyed" in run.err
    home.machine(*words)
    assert home.slots() == []


def test_removing_the_slot_takes_the_token_unless_insisted(home: Home) -> None:
    (slot,) = home.slots()
    (home.folder / "p").write_text(NEW)
    home.machine(
        "key",
        "add-password",
        "-r",
        "repo",
        "--key-file",
        "my.key",
        "--new-password-file",
        "p",
        "--force",
    )
    words = ("key", "remove", slot[5:13], "-r", "repo", "--key-file", "my.key")
    assert "--token-file" in home.machine(*words, code=2).err
    assert slot in home.slots()


def test_the_log_is_the_owners(home: Home) -> None:
    home.password("wrong")
    home.machine("snapshots", *home.ask, code=12)
    run = home.machine("key", "log", *home.account, "--json")
    assert [line["event"] for line in run.lines] == ["registered", "confirmed", "charged", "failed"]
    shown = home.machine("key", "log", "--vault", *home.account)
    assert "charged" in shown.out.decode()
    assert "the log is whole" in shown.err
    (pins,) = home.machine.pins
    values = json.loads(pins.read_text())
    assert values["log_seq"] == 4
    pins.write_text(json.dumps({**values, "log_head": "00" * 32}))
    assert "not the one this machine saw" in home.machine("key", "log", *home.account, code=13).err
    assert "set back" in home.machine("snapshots", *home.ask, code=13).err


def test_key_list_shows_the_vault(home: Home) -> None:
    assert "  vault  20" in home.machine("key", "list", "-r", "repo").out.decode()
    (line,) = home.machine("key", "list", "-r", "repo", "--json").lines
    assert (line["kind"], line["url"]) == ("vault", home.service.url)


def test_the_sheet_names_vault_fingerprint_and_token(
    program: Program, key: RootKey, service: Service
) -> None:
    home = make_home(program, key, service, "sheet")
    words = ("key", "add-vault", service.url, *home.account, "--key-file", "my.key")
    run = home.machine(*words, "--vault-password-file", "pw", "--sheet", "sheet", "--json")
    (line,) = run.lines
    sheet = (home.folder / "sheet").read_text()
    assert f"Vault        {line['vault']}\n" in sheet
    assert f"Token        {home.token_file.read_text().strip()}\n" in sheet
    assert "vault.token latest" in sheet
    assert stat.S_IMODE((home.folder / "sheet").stat().st_mode) == 0o600
    second = home.machine.another("second")
    second("snapshots", "--vault", line["vault"], *home.ask)
    other = line["vault"][:-1] + ("0" if line["vault"][-1] != "0" else "1")
    third = home.machine.another("third")
    assert "was signed by" in third("snapshots", "--vault", other, *home.ask, code=13).err
