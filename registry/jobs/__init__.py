"""Training files and fine-tuning jobs: what is kept of them, and the process that trains."""
