"""Statistical comparison of a release with its predecessor."""
