"""What a client of the vault refuses, or is refused, and how that is told."""

from __future__ import annotations

from pathlib import Path

from program import Program
from strongroom import RootKey
from strongroom.keys.slot import parse_slot
from strongroom.keys.vault_slot import VaultPlace, make_vault_slot
from strongroom.vault.client.derive import owner_key, public_of
from vault.machines import NEW, PASSWORD, Home, left, make_home, place_of, registered
from vault.service import Service, served

# --- passwords beside a vault ---


def test_a_password_beside_a_vault_is_refused_unless_insisted_with_the_reason(
    program: Program, key: RootKey, service: Service
) -> None:
    home = make_home(program, key, service, "beside", "some password")
    words = ("key", "add-vault", service.url, *home.ask, "--key-file", "my.key")
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
