"""What runs inside vLLM's own processes, loaded by vLLM: nothing of the gateway's imports from here."""
