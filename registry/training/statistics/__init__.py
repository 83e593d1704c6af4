"""Statistics of labelled answers: figures of each label, and a threshold with a promise."""
