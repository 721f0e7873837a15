"""What the owner's side of the vault does: it alone sees password and root key."""
