"""vLLM as a supervised child process."""
