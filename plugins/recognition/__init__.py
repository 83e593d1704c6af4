"""How built-in checks recognise what they look for: spellings, wordings, numbers, a small model of words."""
