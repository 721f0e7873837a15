"""Another client can be written from docs/VAULT.md: its tables say what the code does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from strongroom.vault import wire
from strongroom.vault.messages import (
    Answered,
    Confirming,
    Nothing,
    Offer,
    Opened,
    Owned,
    Pending,
    Released,
    Response,
)
from strongroom.vault.server.access import Access, read_access
from strongroom.vault.server.app import VERBS
from strongroom.vault.server.census import Census
from strongroom.vault.server.hsm import Hsm, read_hsm
from strongroom.vault.server.metrics import render
from strongroom.vault.server.policy import Policy
from strongroom.vault.server.witness import FileWitness
from vault.parties import House

VAULT = (Path(__file__).parents[2] / "docs/VAULT.md").read_text("utf-8")
ANSWERS = {
    "register/begin": Opened,
    "register/request": Response,
    "register/finish": Pending,
    "register/confirm-begin": Confirming,
    "register/confirm-finish": Nothing,
    "recover/begin": Offer,
    "recover/attempt": Answered,
    "recover/finish": Released,
    "owner/state": Owned,
    "owner/destroy": Nothing,
    "owner/revoke": Nothing,
}


def length(fields: str) -> int:
    """Of what is listed: a name and its bytes, or its uN, after each comma."""
    total = 0
    for each in fields.split(";", maxsplit=1)[0].split(","):
        found = re.search(r"\bu(\d+)\b|\b(\d+)\b", each)
        if found is not None:
            total += int(found[1]) // 8 if found[1] else int(found[2])
    return total


def test_messages_are_as_long_as_documented() -> None:
    rows = re.findall(r"^\| ([a-z]+/[a-z/, -]+) \| ([^|]*) \| ([^|]*) \|$", VAULT, re.MULTILINE)
    documented = {verb: (body, answer) for each, body, answer in rows for verb in each.split(", ")}
    assert documented.keys() == VERBS.keys()
    for verb, (body, answer) in documented.items():
        assert length(body) == VERBS[verb].message.LAYOUT.size, verb
        if verb in ANSWERS:
            assert length(answer) == ANSWERS[verb].LAYOUT.size, verb


def test_refusals_have_the_codes_that_are_documented() -> None:
    found = {
        int(code): int(status) for code, status in re.findall(r"\| (\d+) \| (\d{3}) \|", VAULT)
    }
    assert found == {int(code): status for code, status in wire.STATUS.items()}


def test_numbers_of_the_rules_are_those_that_are_documented() -> None:
    policy = Policy()
    assert (policy.attempts, policy.lifetime, policy.confirms) == (10, 100, 3)
    assert "Ten wrong guesses\n   in a row, or 100 since" in VAULT
    minutes = (policy.attempt_window, policy.pending)
    assert minutes == (10 * 60, 15 * 60)
    days = (policy.request_delay, policy.kept)
    assert days == (7 * 86400, 30 * 86400)
    assert policy.delays == (0, 0, 0, 60, 300, 900, 3600, 14400, 86400, 86400)
    assert "three guesses are free, then 1 min, 5 min, 15 min, 1 h, 4 h, 24 h, 24 h." in VAULT
    assert f"a body of at most {wire.BODY_MAX} bytes" in VAULT


HSM, ETCD = re.findall(r"^```toml\n(.*?)^```$", VAULT, re.MULTILINE | re.DOTALL)


def test_the_table_of_a_hardware_module_is_whole(tmp_path: Path) -> None:
    table = tomllib.loads(HSM) | {"vault": "00" * 16}
    assert table.keys() == {field.name for field in fields(Hsm)}
    assert read_hsm(table, tmp_path).key_per_record is False


def test_the_table_of_etcd_is_whole(tmp_path: Path) -> None:
    table = tomllib.loads(ETCD)
    assert read_access(table, tmp_path).user == table["user"]
    assert table.keys() == {field.name for field in fields(Access)}
    defaults = {field.name: field.default for field in fields(Access)}
    for name in ("prefix", "scrub_every"):
        assert table[name] == defaults[name]


def test_metrics_are_documented(house: House, tmp_path: Path) -> None:
    house.witness = FileWitness(tmp_path / "witness", house.keeper)
    house.witness.reset(0)
    house.core = house.open()
    text = render(house.core, {}, Census(), 0)
    names = set(re.findall(r"^# TYPE strongroom_vault_([a-z_]+) ", text, re.MULTILINE))
    table = VAULT.partition("| metric |")[2].partition("\n\n")[0]
    cells = " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([a-z_]+)", cells)) == names
    for state in re.findall(r'accounts\{state="([a-z_]+)"\}', text):
        assert f"`{state}`" in table
