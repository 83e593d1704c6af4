"""The commands of ``postil``: one file a command."""
