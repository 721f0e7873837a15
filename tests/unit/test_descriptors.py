"""Fewer files are held open where fewer may be."""

from __future__ import annotations

import resource

import pytest

from strongroom.ops.descriptors import fitting


@pytest.mark.parametrize(
    ("limit", "most"),
    [(resource.RLIM_INFINITY, 128), (10**6, 128), (1024, 128), (560, 64), (97, 1), (20, 1)],
)
def test_what_is_held_open_follows_the_limit(monkeypatch, limit, most):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert fitting(128) == most
