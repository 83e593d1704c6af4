"""What may constrain answers: bounds that keep vLLM's grammar compiler from being held up."""
