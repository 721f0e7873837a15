"""Manifests: every entry of a snapshot, sorted, as a stream of items."""
