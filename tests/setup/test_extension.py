"""The built core keeps its libraries to itself."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from csrc.deps.native import ensure
from strongroom import _native

EXTENSION = Path(_native.__file__)
BROKEN_CONFIG = """
config_diagnostics = 1
openssl_conf = begin
[begin]
providers = absent
"""
FETCH = """
#include <openssl/evp.h>
int main(void) {
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    return cipher == NULL;
}
"""


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_nothing_is_exported_but_the_entry_point() -> None:
    rows = output("nm", "-D", "--defined-only", str(EXTENSION)).splitlines()
    names = {row.split()[-1] for row in rows}
    assert names == {"PyInit__native"}


def test_a_static_openssl_leaves_no_need_of_the_systems() -> None:
    if not any("libcrypto.a" in str(archive) for archive in ensure().archives):
        pytest.skip("linked against the system's libcrypto")
    needed = re.findall(r"NEEDED.*\[(.*)\]", output("readelf", "-d", str(EXTENSION)))
    assert not [name for name in needed if name.startswith(("libcrypto", "libssl"))]


def test_relocations_are_read_only_after_loading() -> None:
    assert "BIND_NOW" in output("readelf", "-d", str(EXTENSION))
    assert "GNU_RELRO" in output("readelf", "-lW", str(EXTENSION))


def test_the_users_openssl_configuration_is_not_read(tmp_path: Path) -> None:
    native = ensure()
    if not any("libcrypto.a" in str(archive) for archive in native.archives):
        pytest.skip("linked against the system's libcrypto")
    source, program, config = (tmp_path / name for name in ("fetch.c", "fetch", "openssl.cnf"))
    source.write_text(FETCH)
    config.write_text(BROKEN_CONFIG)
    cc = shutil.which("cc") or "cc"
    output(cc, *native.cflags(), str(source), *native.libs(), "-o", str(program))
    done = subprocess.run([str(program)], env={"OPENSSL_CONF": str(config)}, check=False)
    assert done.returncode == 0
