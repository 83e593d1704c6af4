"""Trains adapters from labelled messages: reads data, trains, measures against the base, writes the files."""
