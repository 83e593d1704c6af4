"""Every kind of training beside the fast path for labels: free text, preferences, and other ways of tuning."""
