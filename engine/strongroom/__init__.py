"""Strongroom: end-to-end encrypted backups at the speed of the disk."""
