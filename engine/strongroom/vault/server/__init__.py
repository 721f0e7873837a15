"""The service. It imports nothing that knows keys, manifests or segments."""
