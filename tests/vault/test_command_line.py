"""The vault from the command line: registered, recovered from, changed, removed, refused."""

from __future__ import annotations

import json
import re
import ssl
import stat
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey, SourceError, UsageError
from strongroom.keys.slot import parse_slot
from strongroom.keys.vault_slot import VaultPlace, make_vault_slot, read_vault_slot
from strongroom.vault.client.address import fingerprint, parse_address
from strongroom.vault.client.derive import owner_key, public_of
from strongroom.vault.client.endpoint import Endpoint, _context
from strongroom.vault.messages import Offer, Opened, RecoverBegin, RegisterBegin
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import Keeper
from strongroom.vault.wire import NO_ID
from vault.certificates import make_certificate
from vault.machines import PASSWORD, Home, make_home, registered
from vault.service import Service, served

NEW = "copper meadow signal harbour"


@pytest.fixture
def home(program: Program, key: RootKey, service: Service, request: pytest.FixtureRequest) -> Home:
    """With an account of its own at the vault."""
    name = re.sub(r"\W", "-", request.node.name)[:60]
    return registered(make_home(program, key, service, f"t{name}"))


def place_of(home: Home) -> VaultPlace:
    (name,) = home.slots()
    return read_vault_slot(parse_slot(home.store.get(name), doing="testing"), doing="testing")


def left(home: Home) -> int:
    token = home.token_file.read_text().strip()
    endpoint = Endpoint(parse_address(home.service.url)[0], token, certificate=None)
    return endpoint.call("recover/begin", RecoverBegin(NO_ID), Offer).left


# --- a whole life ---


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


def test_a_new_password_at_the_vault_replaces_the_old(home: Home) -> None:
    (before,) = home.slots()
    (home.folder / "new").write_text(NEW)
    run = home.machine("key", "change-password", *home.ask, "--new-password-file", "new")
    (after,) = home.slots()
    assert after != before
    assert after.removeprefix("keys/") in run.err
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
    shown = home.machine("key", "log", *home.account)
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


# --- passwords beside a vault ---


def test_a_password_beside_a_vault_is_refused_unless_insisted_with_the_reason(
    program: Program, key: RootKey, service: Service
) -> None:
    home = make_home(program, key, service, "beside", "some password")
    words = (
        "key",
        "add-vault",
        service.url,
        *home.account,
        "--key-file",
        "my.key",
        "--vault-password-file",
        "pw",
    )
    run = home.machine(*words, code=2)
    assert "can guess that password offline" in run.err
    assert len(home.slots()) == 1
    home.machine(*words, "--force")
    (home.folder / "new").write_text(NEW)
    words = (
        "key",
        "add-password",
        "-r",
        "repo",
        "--key-file",
        "my.key",
        "--new-password-file",
        "new",
    )
    assert "can guess that password offline" in home.machine(*words, code=2).err
    home.machine(*words, "--force")
    assert len(home.slots()) == 3


def test_a_weak_password_is_refused(program: Program, key: RootKey, service: Service) -> None:
    home = make_home(program, key, service, "weak")
    home.password("12345678")
    words = ("key", "add-vault", service.url, *home.account, "--key-file", "my.key")
    run = home.machine(*words, "--vault-password-file", "pw", code=2)
    assert "too easy" in run.err
    assert home.slots() == []


# --- where the token goes ---


def test_the_token_goes_to_no_vault_that_the_store_wrote_into_the_slot(
    home: Home, key: RootKey
) -> None:
    """On a machine that knows the vault, and on one that was told it."""
    (name,) = home.slots()
    place = place_of(home)
    slot = parse_slot(home.store.get(name), doing="testing")
    thief = RootKey.generate()
    with served(home.folder / "thief") as other:
        owner = owner_key(thief, place.vault_id)
        forged = VaultPlace(place.vault_id, public_of(owner), other.url, place.records)
        home.store.delete(name)
        made = make_vault_slot(forged, slot.repo_id, owner, created=0)
        home.store.put(f"keys/{parse_slot(made, doing='x').slot_id.hex()}", made)
        for machine, where in (
            (home.machine, ()),
            (home.machine.another("2"), ("--vault", home.service.url)),
        ):
            run = machine("snapshots", *where, *home.ask, code=13)
            assert "neither was told anything" in run.err
        assert "request" not in other.log()
        home.store.delete(home.slots()[0])
        forged = VaultPlace(place.vault_id, public_of(owner), home.service.url, place.records)
        made = make_vault_slot(forged, slot.repo_id, owner, created=0)
        home.store.put(f"keys/{parse_slot(made, doing='x').slot_id.hex()}", made)
        assert "was signed by" in home.machine("snapshots", *home.ask, code=13).err


def test_a_vault_that_offers_what_the_slot_does_not_name_gets_no_guess(
    home: Home, key: RootKey
) -> None:
    place = place_of(home)
    (name,) = home.slots()
    slot = parse_slot(home.store.get(name), doing="testing")
    for record in ((place.records[0][0], bytes(32)), (bytes(16), place.records[0][1])):
        wrong = VaultPlace(place.vault_id, place.owner_pk, place.url, (record,))
        owner = owner_key(key, place.vault_id)
        home.store.delete(home.slots()[0])
        made = make_vault_slot(wrong, slot.repo_id, owner, created=0)
        home.store.put(f"keys/{parse_slot(made, doing='x').slot_id.hex()}", made)
        run = home.machine("snapshots", *home.ask, code=13)
        assert "offers another record" in run.err
    assert left(home) == 10


# --- exit codes ---


def test_a_bad_token_is_refused_by_the_vault(home: Home) -> None:
    bad = home.folder / "bad.token"
    bad.write_text("nobody:" + "0" * 64)
    words = ("-r", "repo", "--token-file", bad, "--vault-password-file", "pw")
    assert "does not take the token" in home.machine("snapshots", *words, code=16).err
    bad.write_text("not a token")
    assert "is none" in home.machine("snapshots", *words, code=2).err


def test_an_unreachable_vault_has_an_exit_code_of_its_own(
    program: Program, key: RootKey, tmp_path: Path
) -> None:
    with served(tmp_path / "vault") as service:
        home = registered(make_home(program, key, service, "anna"))
    run = home.machine("snapshots", *home.ask, code=17)
    assert "asking the vault" in run.err


def test_waiting_is_told_and_costs_nothing(program: Program, key: RootKey, tmp_path: Path) -> None:
    with served(tmp_path / "vault", policy="delays = [0, 90]\n") as service:
        home = registered(make_home(program, key, service, "anna"))
        home.password("wrong")
        run = home.machine("snapshots", *home.ask, code=12)
        assert "after a wrong one, the next is taken 2 minutes later" in run.err
        home.password(PASSWORD)
        run = home.machine("snapshots", *home.ask, code=16)
        assert "the next one is taken in 2 minutes" in run.err
        assert "waiting costs nothing" in run.err
        assert left(home) == 9


ADDRESSES = [
    "vault.example",
    "ftp://x",
    "http://vault.example:1",
    "https://u:p@x",
    "https://x/y",
    "https://x?y",
    "https://x:99999",
    "http://[::1",
    "https://x#1234",
    "https://é",
    "https://x,",
    "https://x,http://vault.example",
    "https://x#1234,https://y",
    "https://a,https://b,https://c,https://d",
    "",
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        parse_address(url)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://Vault.Example", "https://vault.example:443"),
        ("https://vault.example:8765/", "https://vault.example:8765"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://localhost:1#" + "ab" * 16, "http://localhost:1"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("https://A,https://b:1,https://a:443", "https://a:443,https://b:1"),
    ],
)
def test_an_address_is_compared_in_one_form(url: str, normal: str) -> None:
    assert parse_address(url)[0].url == normal


def test_without_tls_nothing_is_asked(program: Program, key: RootKey, service: Service) -> None:
    home = make_home(program, key, service, "plain")
    words = ("key", "add-vault", "http://vault.example:1", *home.account, "--key-file", "my.key")
    run = home.machine(*words, "--vault-password-file", "pw", code=2)
    assert "without TLS others could listen in" in run.err


def test_usage_is_explained(home: Home) -> None:
    run = home.machine("snapshots", "-r", "repo", "--vault", code=2)
    assert "no token was given" in run.err
    run = home.machine("snapshots", *home.ask, "--key-file", "my.key", code=2)
    assert "more than one key" in run.err
    run = home.machine("snapshots", "-r", "repo", "--password-file", "pw", code=12)
    assert "--vault with --token-file" in run.err


def test_the_password_is_asked_for_after_the_cost_is_told(home: Home) -> None:
    state = home.folder / "state of first"
    told = home.machine.program.with_env(XDG_STATE_HOME=str(state))
    run = told.on_terminal(
        "snapshots",
        *home.account,
        "--vault",
        replies=[(b"Vault password: ", PASSWORD.encode() + b"\n")],
    )
    assert run.code == 0, run
    assert run.err.index("10 of 10 attempts left") < run.err.index("Vault password: ")


# --- TLS ---


def test_a_certificate_can_be_pinned_and_others_are_refused(
    program: Program, key: RootKey, tmp_path: Path
) -> None:
    certificate, private = make_certificate(tmp_path, "mine")
    other, _ = make_certificate(tmp_path, "other")
    with served(tmp_path / "vault", tls=(certificate, private)) as service:
        assert service.url.startswith("https://")
        home = make_home(program, key, service, "anna")
        add = (
            "key",
            "add-vault",
            service.url,
            *home.account,
            "--key-file",
            "my.key",
            "--vault-password-file",
            "pw",
        )
        assert "--vault-cert FILE" in home.machine(*add, code=17).err
        assert "certificate" in home.machine(*add, "--vault-cert", other, code=17).err
        home.machine(*add, "--vault-cert", certificate, "--sheet", "sheet")
        assert "vault.token --vault-cert vault.pem latest" in (home.folder / "sheet").read_text()
        home.machine("snapshots", *home.ask)
        home.machine("snapshots", *home.ask, "--vault-cert", other, code=17)
        plain = service.url.replace("https", "http")
        home.machine("snapshots", "--vault", plain, *home.ask, code=13)


def test_tls_is_1_2_or_later(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path, "mine")
    for pem in (None, certificate.read_text()):
        assert _context(pem).minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("pem", ["", "h\ufffdi", "junk"])
def test_what_is_no_certificate_is_named(pem: str) -> None:
    with pytest.raises(SourceError, match="certificate"):
        _context(pem)
