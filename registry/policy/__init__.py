"""How an adapter answers: the policy and its schema."""
