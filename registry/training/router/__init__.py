"""Trains a router: a small linear classifier that says which model a text is for."""
