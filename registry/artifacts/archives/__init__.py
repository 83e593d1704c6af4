"""Archives that are packed and unpacked, as hostile as they may be."""
