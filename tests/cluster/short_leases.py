"""Preloaded by workers of a test: leases so short that it can outwait them."""
