"""A vault that is served with its keys in a hardware module."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from program import PATIENCE, STRONGROOM, Program
from strongroom import RootKey
from strongroom.errors import SourceError
from strongroom.vault.client.endpoint import CodeError
from strongroom.vault.messages import Answered, Offer, RecoverAttempt, RecoverBegin
from strongroom.vault.opaque import Login
from strongroom.vault.server.config import read_config
from strongroom.vault.server.hsm import PIN_VARIABLE
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.token import TokenKeys
from strongroom.vault.server.opening import opened
from strongroom.vault.wire import NO_ID, Code
from vault.machines import make_home, registered
from vault.parties import PASSWORD, Person, recovers
from vault.service import Service, make_service
from vault.test_documented import VAULT
from vault.tokens import PIN, SoftToken


@pytest.fixture
def vault(tmp_path: Path, token: SoftToken) -> Iterator[Service]:
    """Not yet served."""
    service = make_service(tmp_path / "vault", hsm=token.lines().read_text())
    yield service
    if service.process is not None:
        service.stop()


def serve(service: Service) -> subprocess.CompletedProcess[bytes]:
    """A service that is to end by itself."""
    command = [STRONGROOM, "vault", "serve", "--config", service.config]
    return subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)


def test_a_key_comes_back_through_it_and_two_processes_share_the_token(
    program: Program, key: RootKey, vault: Service
) -> None:
    second = Service(vault.folder)
    vault.start()
    second.start()
    try:
        both = Service(vault.folder, f"{vault.url},{second.url}")
        home = registered(make_home(program, key, both, "anna"))
        assert not (vault.folder / "vault.key").exists()
        vault.stop()
        new = home.machine.another("new")
        run = new("key", "show-digits", "--vault", both.url, *home.ask)
        assert RootKey.from_digits(run.out.decode()) == key
        assert "root here" not in second.log(), "nothing to warn of"
    finally:
        second.stop()


def test_keys_in_a_file_are_warned_of_at_the_start(tmp_path: Path) -> None:
    service = make_service(tmp_path / "vault")
    service.start()
    service.stop()
    assert "no hardware module: whoever is root here can take them" in service.log()


def test_who_stole_all_files_but_not_the_token_has_noise(
    vault: Service, token: SoftToken, tmp_path: Path
) -> None:
    with opened(read_config(vault.config)) as core:
        person = Person(core)
        person.registered(PASSWORD)
    token.take_away()
    with pytest.raises(SourceError, match="does not answer"), opened(read_config(vault.config)):
        pass
    # A token of the thief's, with the label and the PIN of the right one.
    (token.folder / "tokens").mkdir()
    token.initialize()
    with pytest.raises(SourceError, match="are missing"), opened(read_config(vault.config)):
        pass
    TokenKeys(read_config(vault.config).hsm).create(1)  # type: ignore[arg-type]
    done = serve(vault)
    assert done.returncode == 13
    assert b"row vault: authentication failed" in done.stderr
    stored = (vault.folder / "vault.db").read_bytes()
    assert b"anna" not in stored


def test_without_its_token_it_answers_nobody_charges_nothing_and_goes_on_after(
    vault: Service, token: SoftToken
) -> None:
    vault.start()
    account = vault.token("anna")
    with opened(read_config(vault.config)) as core:
        person = Person(core)
        person.registered(PASSWORD)
        offer = vault.endpoint(account).call("recover/begin", RecoverBegin(NO_ID), Offer)
        asked = RecoverAttempt(offer.record_id, offer.token, Login("wrong").ke1)
        token.take_away()
        with pytest.raises(CodeError) as refused:
            vault.endpoint(account).call("recover/attempt", asked, Answered)
        assert refused.value.code == Code.UNAVAILABLE
        assert vault.get("/healthz") == (503, "keys\n")
        assert "strongroom_vault_keys_up 0" in vault.get("/metrics")[1]
        assert f"the token {token.label}" in vault.log()
        assert '"alarm"' in vault.log()
        token.bring_back()
        pkcs11.lib(str(token.module)).reinitialize()
        wait_until_healthy(vault)
        again = vault.endpoint(account).call("recover/begin", RecoverBegin(NO_ID), Offer)
        assert again.left == offer.left == 10
        # Charged before it went: answered after, and charged once.
        answer = vault.endpoint(account).call("recover/attempt", asked, Answered)
        token.take_away()
        with pytest.raises(CodeError):
            vault.endpoint(account).call("recover/attempt", asked, Answered)
        token.bring_back()
        wait_until_healthy(vault)
        later = vault.endpoint(account).call("recover/attempt", asked, Answered)
        assert later.attempt == answer.attempt
        pkcs11.lib(str(token.module)).reinitialize()
        user = core.transact(lambda ledger: ledger.user(person.ref))
        assert user is not None
        assert user.left == 9
        recovers(person)


def wait_until_healthy(service: Service) -> None:
    for _ in range(int(PATIENCE)):
        if service.get("/healthz") == (200, "ok\n"):
            return
        subprocess.run(["sleep", "1"], check=True)
    pytest.fail("it does not come back")


def test_it_does_not_start_without_its_token_and_says_which(
    vault: Service, token: SoftToken
) -> None:
    token.take_away()
    done = serve(vault)
    assert done.returncode == 1
    assert f"the token {token.label}".encode() in done.stderr
    assert b"does not answer" in done.stderr


def test_a_wrong_pin_is_tried_once_and_stays_out_of_sight(vault: Service, token: SoftToken) -> None:
    token.pin_file.write_text("a wrong pin\n")
    done = serve(vault)
    assert done.returncode == 2
    assert b"refuses the PIN" in done.stderr
    assert b"a wrong pin" not in done.stderr
    token.pin_file.write_text(PIN + "\n")
    vault.start()
    assert vault.process is not None
    arguments = Path(f"/proc/{vault.process.pid}/cmdline").read_bytes()
    assert PIN.encode() not in arguments
    assert PIN not in vault.log()


def test_the_pin_may_come_from_a_descriptor_or_the_environment(
    vault: Service, token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = vault.config.read_text()
    line = f'pin_file = "{token.pin_file}"\n'
    assert line in text
    vault.config.write_text(text.replace(line, ""))
    command = [STRONGROOM, "vault", "status", "--config", vault.config]
    env = os.environ | {PIN_VARIABLE: PIN}
    subprocess.run(command, check=True, capture_output=True, env=env, timeout=PATIENCE)
    vault.config.write_text(text.replace(line, 'pin_file = "/dev/stdin"\n'))
    subprocess.run(command, check=True, capture_output=True, input=PIN.encode(), timeout=PATIENCE)


def test_keys_are_rotated_while_it_serves(vault: Service, token: SoftToken) -> None:
    vault.start()
    with opened(read_config(vault.config)) as core:
        person = Person(core)
        person.registered(PASSWORD)
        vault("rotate-keys")
        account = vault.token("anna")
        offer = vault.endpoint(account).call("recover/begin", RecoverBegin(NO_ID), Offer)
        assert offer.left == 10
        recovers(person)
    hsm = read_config(vault.config).hsm
    assert hsm is not None
    assert TokenKeys(hsm).generations() == {2}


def test_a_guess_takes_as_many_calls_of_the_token_as_documented(
    vault: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(read_config(vault.config)) as core:
        person = Person(core)
        person.registered(PASSWORD)
        recovers(person)
        done: Counter[str] = Counter()
        for name in ("_sign", "unseal"):
            monkeypatch.setattr(TokenKeys, name, counted(done, name, getattr(TokenKeys, name)))
        recovers(person)
    assert done["unseal"] == 1
    assert done["_sign"] in (6, 7)  # the vault's own row, each 10 seconds
    assert "one decryption and six MACs" in " ".join(VAULT.split())


def counted(done: Counter[str], name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    def counting(*words: Any) -> Any:
        done[name] += 1
        return act(*words)

    return counting


def test_nothing_of_it_is_loaded_without_a_module(tmp_path: Path) -> None:
    service = make_service(tmp_path / "vault")
    code = (
        "import sys; from pathlib import Path;"
        "from strongroom.vault.server.config import read_config;"
        "from strongroom.vault.server.opening import open_keeper;"
        f"open_keeper(read_config(Path({str(service.config)!r})));"
        "sys.exit('pkcs11' in sys.modules)"
    )
    python = STRONGROOM.parent / "python"
    subprocess.run([python, "-c", code], check=True, timeout=PATIENCE)
    assert FileKeys(service.folder / "vault.key").generations() == {1}
