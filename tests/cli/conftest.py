"""Fixtures of tests that run verbs on repositories."""

from __future__ import annotations

import pytest

from cli.photos import Library
from program import Program
from strongroom import RootKey


@pytest.fixture
def library(program: Program, key: RootKey) -> Library:
    """A repository for my.key, and an empty folder src."""
    return Library.make(program, key)
