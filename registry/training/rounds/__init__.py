"""A round of improvement: what people decided becomes training data, and that the next release."""
