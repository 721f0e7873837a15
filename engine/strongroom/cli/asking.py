"""Asking a person or a program for a secret. Loaded only then."""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess

from strongroom.errors import SourceError, UsageError


def prompt(words: str, *, confirm: bool, hint: str) -> str:
    """What is typed. Raises UsageError with hint where there is no terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        raise UsageError(
            "no key or password was given, and there is no terminal to ask on",
            hint=hint,
        ) from None
    try:
        text = getpass.getpass(words)
        if confirm and getpass.getpass("Once more: ") != text:
            raise UsageError("the two passwords differ")
    except EOFError:
        raise UsageError("no password was typed") from None
    except UnicodeDecodeError:
        raise UsageError("what was typed is not UTF-8 text") from None
    return text


def output_of(command: str) -> bytes:
    """What a password command prints. Raises UsageError, SourceError."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the password command {command!r}: {error}") from None
    if not words:
        raise UsageError("the password command is empty")
    try:
        # Standard input may be the data: the command must not take a bite of it.
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    except OSError as error:
        raise SourceError(f"running the password command {words[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise SourceError(f"the password command {words[0]} ended with {done.returncode}")
    return done.stdout
