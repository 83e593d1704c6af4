"""The components of installed plugins, in processes of their own."""
