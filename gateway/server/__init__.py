"""The process: what is opened, in which order, and how it ends."""
