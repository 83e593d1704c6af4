"""The checks of training data, one file each; each yields what it found."""
