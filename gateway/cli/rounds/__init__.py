"""``postil improve``: the steps of a round, and how they are shown."""
