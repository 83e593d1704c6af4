"""Fine-tuning jobs on a running gateway."""
