"""Making a release of postil itself."""
