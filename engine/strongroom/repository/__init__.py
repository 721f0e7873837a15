"""Repositories: what is in one, how it grows, and who may read it."""
