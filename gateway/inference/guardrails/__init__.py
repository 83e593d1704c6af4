"""Validators and fallbacks: what is evaluated, and what is served when it fails."""
