"""Fixtures that several folders of tests share."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from program import Program
from strongroom import KdfParameters, Password, RootKey

# How long an example takes says how busy the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# What a shell without job control starts in the background ignores Ctrl-C, and so would every
# program that is started here; a handler they do not inherit.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MIB = 2**20
CHEAPEST = KdfParameters(memory_kib=64 * 1024, passes=3, lanes=1)


_STATES = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def no_state_of_the_developer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For what is made once for several tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a machine remembers of repositories when a test begins: nothing."""
    folder = tmp_path_factory.getbasetemp() / "states" / str(next(_STATES))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder / "strongroom"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program, in an empty folder that holds only my.key."""
    (tmp_path / "my.key").write_text(KEY.to_digits() + "\n")
    (tmp_path / "my.key").chmod(0o600)
    return Program(tmp_path)


KEY = RootKey(random.Random(0).randbytes(32))


@pytest.fixture
def key() -> RootKey:
    """What is in my.key."""
    return KEY


@pytest.fixture
def cheap_password() -> Password:
    """As cheap as the format allows."""
    return Password("correct horse", kdf=CHEAPEST)


@pytest.fixture(scope="session")
def noise() -> bytes:
    """3 MiB and a bit that do not compress."""
    return random.Random(1).randbytes(3 * MIB + 4321)


@pytest.fixture(scope="session")
def prose() -> bytes:
    """3 MiB and a bit that compress well."""
    words = random.Random(2).choices(["sea", "sky", "salt", "storm", "strong", "room"], k=700_000)
    return " ".join(words).encode()[: 3 * MIB + 4321]


@pytest.fixture(scope="session")
def powerless() -> tuple[str, ...]:
    """A prefix under which file modes count, for root too."""
    if not _runs("test", "-r", "/etc/shadow"):
        return ()
    capabilities = "-dac_override,-dac_read_search"
    prefix = ("setpriv", "--bounding-set", capabilities, "--inh-caps", capabilities)
    if shutil.which("setpriv") is None or not _runs(*prefix, "true"):
        pytest.skip("root reads everything here, and setpriv cannot take that away")
    return prefix


@pytest.fixture(scope="session")
def own_mounts() -> tuple[str, ...]:
    """A prefix for a shell command that may mount things nobody else sees."""
    for prefix in (("unshare", "-m"), ("unshare", "-rm")):
        if shutil.which("unshare") and _runs(*prefix, "mount", "-t", "tmpfs", "none", "/mnt"):
            return (*prefix, "sh", "-c")
    pytest.skip("no mount namespace can be had here")


@pytest.fixture
def small_disk(own_mounts: tuple[str, ...], tmp_path: Path) -> tuple[str, ...]:
    """A prefix under which the folder `small` of tmp_path holds 4 MiB and no more.

    What was left in it is listed in small.left.
    """
    small = tmp_path / "small"
    small.mkdir()
    mount = (
        'mount -t tmpfs -o size=4m none "$0" && "$@"; code=$?; ls -A "$0" > "$0.left"; exit $code'
    )
    return (*own_mounts, mount, str(small))


def _runs(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
