"""The ``postil`` commands, one file each."""
