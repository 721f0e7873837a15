"""The vault's own keys, in generations: where they are, and what is done with them."""
