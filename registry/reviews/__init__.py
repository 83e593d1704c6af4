"""Reviews: answers that people check, and training examples from their decisions."""
