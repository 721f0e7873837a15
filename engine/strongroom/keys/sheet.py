"""The recovery sheet: what a person needs on paper to get the data back."""

from __future__ import annotations

import shlex
from typing import Final

from strongroom.keys.rootkey import RootKey

_GROUPS_A_LINE: Final = 4

_SHEET: Final = """\
STRONGROOM RECOVERY SHEET

Keep this on paper, away from the computer. Whoever has these digits and a copy of the
repository can read everything in it. Without them, and without the password, nobody can.

Repository   {repository}
Id           {repo_id}
Made on      {made}

Key          {digits}

To get everything back:

  1. Install Strongroom, and have the repository or a copy of it at hand.
  2. Type the 64 digits into a file, say recovery.key (spaces and line ends do not matter).
  3. Check that they are typed right:

     strongroom key check -r {quoted} --key-file recovery.key

  4. Restore the newest snapshot into a new folder:

     strongroom restore -r {quoted} --key-file recovery.key latest --target restored

Where the repository has moved, name its new place after -r.
"""

_VAULT: Final = """
WITHOUT THE DIGITS: THE VAULT

Vault        {vault}
Token        {token}

With these, the repository and your vault password, on any machine:

  1. Type the token into a file, say vault.token.{certificate}
  2. strongroom restore -r {quoted} --vault {vault} \\
         --token-file vault.token{option} latest --target restored

It asks for the password, and says before how many attempts are left. Ten wrong ones in a row
destroy what the vault holds; then only the digits are left.
"""

_CERTIFICATE: Final = """
     This vault's certificate is its own: keep it with the repository, say as vault.pem."""


def recovery_sheet(root: RootKey, *, repository: str, repo_id: bytes, made: str) -> str:
    """Plain text to print. made: a date as people write it."""
    groups = root.to_digits().split()
    lines = [
        "  ".join(groups[i : i + _GROUPS_A_LINE]) for i in range(0, len(groups), _GROUPS_A_LINE)
    ]
    return _SHEET.format(
        repository=repository,
        repo_id=repo_id.hex(),
        made=made,
        digits=("\n" + " " * 13).join(lines),
        quoted=shlex.quote(repository),
    )


def vault_part(*, repository: str, vault: str, token: str, own_certificate: bool) -> str:
    """What a sheet says beside the digits. vault: its URL, # and the owner's fingerprint.
    own_certificate: one that systems do not trust by themselves."""
    return _VAULT.format(
        vault=vault,
        token=token,
        quoted=shlex.quote(repository),
        certificate=_CERTIFICATE if own_certificate else "",
        option=" --vault-cert vault.pem" if own_certificate else "",
    )
