"""Reviews: answers that wait for a person, and the examples they become."""
