"""What an operator sees: status and metrics, which count and name nobody."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from strongroom import SourceError
from strongroom.vault.server import census as census_module
from strongroom.vault.server import sweeping
from strongroom.vault.server.metrics import render
from strongroom.vault.server.operate import status
from strongroom.vault.server.sweeping import sweep
from strongroom.vault.server.witness import FileWitness
from vault.parties import PASSWORD, House, Person, put, rows

SAMPLE = re.compile(r'([a-z_]+)(\{[a-z0-9]+="[^"\\]*"(?:,[a-z0-9]+="[^"\\]*")*\})? ([0-9.e+]+)')


@pytest.fixture
def busy(house: House) -> House:
    """One account is fine, one locked out, one pending, one kept; all in this process."""
    anna = Person(house.core)
    anna.registered(PASSWORD)
    guess = anna.guess(PASSWORD)
    assert guess.is_right()
    guess.release()
    burnt = Person(house.core, "burnt")
    burnt.registered(PASSWORD)
    for _ in range(10):
        burnt.guess("wrong").give_up()
    Person(house.core, "walter").register(PASSWORD)
    Person(house.core, "kept").registered(PASSWORD)
    other = Person(house.core, "kept").register(PASSWORD, delayed=True)
    house.times.pass_by(8 * 24 * 3600)
    other.confirm()
    return house


def samples(text: str) -> dict[str, float]:
    """By name and labels; each belongs to a metric that HELP and TYPE announced."""
    found, announced = {}, {"HELP": set(), "TYPE": set()}
    for line in text.splitlines():
        if line.startswith("#"):
            _, what, name, rest = line.split(" ", 3)
            announced[what].add(name)
            assert what == "HELP" or rest in {"counter", "gauge"}
            assert what == "HELP" or name.endswith("_total") == (rest == "counter")
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in announced["HELP"] & announced["TYPE"]
            found[match[1].removeprefix("strongroom_vault_") + (match[2] or "")] = float(match[3])
    return found


def test_metrics_count_attempts_lock_outs_and_states(busy: House) -> None:
    counted, _ = sweep(busy.core)
    text = render(busy.core, {("recover/begin", 200): 3}, counted, 1_800_000_000.25)
    found = samples(text)
    assert found['requests_total{verb="recover/begin",status="200"}'] == 3
    assert found['events_total{event="charged"}'] == found["attempts_total"] == 11
    assert found['events_total{event="locked_out"}'] == 1
    assert found['events_total{event="recovered"}'] == 1
    states = {"all": 4, "registered": 3, "spent": 1, "kept": 1, "damaged": 0}
    for state, number in states.items():
        assert found[f'accounts{{state="{state}"}}'] == number, state
    assert found["accounts_counted_timestamp_seconds"] == 1_800_000_000.25
    assert found["store_quorum"] == found["store_members_reachable"] == found["keys_up"] == 1
    assert found["store_bytes"] > found["store_used_bytes"] / 2 > 0
    for name in ("anna", "burnt", "walter", busy.core.user_ref("anna").hex()):
        assert name not in text


def test_metrics_show_how_far_the_witness_is_behind(house: House, tmp_path: Path) -> None:
    assert "witness_lag_revisions" not in samples(render(house.core, {}, None, 0))
    house.witness = FileWitness(tmp_path / "witness", house.keeper)
    house.witness.reset(0)
    house.core = house.open()
    anna = Person(house.core)
    anna.registered(PASSWORD)
    assert samples(render(house.core, {}, None, 0))["witness_lag_revisions"] > 0
    anna.guess("wrong")
    found = samples(render(house.core, {}, None, 0))
    assert (found["witness_lag_revisions"], found["locked"]) == (0, 0)
    shown = status(house.core)
    assert (shown["witness"], shown["witness_lag"]) == (str(tmp_path / "witness"), 0)
    assert shown["witnessed"] == shown["revision"]


def test_metrics_come_also_while_store_and_keys_do_not_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise SourceError("no token")

    monkeypatch.setattr(house.keeper, "check", gone)
    house.core.store.close()
    found = samples(render(house.core, {}, None, 0))
    wanted = ("store_quorum", "store_members", "store_members_reachable", "keys_up")
    assert [found[name] for name in wanted] == [0, 1, 0, 0]


def test_a_status_is_json_of_counts(busy: House) -> None:
    found = json.loads(json.dumps(status(busy.core)))
    assert (found["quorum"], found["members"], found["keys_up"]) == (True, 1, True)
    assert (found["users"], found["spent"], found["attempts"]) == (4, 1, 11)
    assert found["attempts_last_hour"] == found["lock_outs_last_hour"] == 0


def test_attempts_and_lock_outs_of_the_last_hour_are_counted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census_module, "SCAN", 4)  # logs are read from their ends, piece by piece
    for name in ("anna", "burnt"):
        Person(house.core, name).registered(PASSWORD)
    anna, burnt = Person(house.core, "anna"), Person(house.core, "burnt")
    anna.guess("wrong").give_up()
    house.times.pass_by(3000)
    anna.guess("wrong").give_up()
    for _ in range(9):
        burnt.guess("wrong").give_up()
    assert last_hour(house) == (11, 0)
    burnt.guess("wrong").give_up()
    assert last_hour(house) == (12, 1)
    house.times.pass_by(601)
    assert last_hour(house) == (11, 1), "the first one was more than an hour ago"
    house.times.pass_by(3000)
    assert last_hour(house) == (0, 0)
    anna.guess("wrong")
    name = f"log/{anna.ref.hex()}/{house.user(anna.ref).log_seq:016x}"
    put(house, name, rows(house)[name][:-1])
    assert (last_hour(house), status(house.core)["damaged"]) == ((0, 0), 1)


def last_hour(house: House) -> tuple[object, object]:
    found = status(house.core)
    return found["attempts_last_hour"], found["lock_outs_last_hour"]


def test_a_status_says_that_there_is_no_witness(house: House) -> None:
    found = status(house.core)
    assert found["witness"] == "none is configured"
    assert not {"witnessed", "witness_lag"} & found.keys()


def test_a_pass_over_all_accounts_settles_those_alone_that_may_be_due(
    busy: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[bytes] = []
    real = sweeping._settle_one
    monkeypatch.setattr(
        sweeping, "_settle_one", lambda core, ref: (settled.append(ref), real(core, ref))
    )
    sweep(busy.core)
    assert settled == [busy.core.user_ref("walter")]
    Person(busy.core).guess("wrong")
    settled.clear()
    sweep(busy.core)
    assert settled == []
    busy.times.pass_by(601)
    sweep(busy.core)
    assert settled == [busy.core.user_ref("anna")]
