"""The Backup Key Vault: a password that brings a root key back. docs/VAULT.md."""
