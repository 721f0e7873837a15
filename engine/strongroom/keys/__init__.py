"""Root keys, passwords, and the envelopes that carry a session key to them."""
