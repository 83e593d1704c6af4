"""From labelled messages to an adapter: read the data, train, measure against the base, write the files."""
