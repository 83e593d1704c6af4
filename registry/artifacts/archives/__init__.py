"""Packing archives, and unpacking untrusted ones."""
