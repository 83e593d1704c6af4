"""Signatures of artifacts, and who must have signed."""
