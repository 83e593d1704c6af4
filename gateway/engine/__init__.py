"""vLLM: its HTTP client, its child process, the adapters it holds, and the queue in front of it."""
