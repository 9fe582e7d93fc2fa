"""Every approach on the same held-out examples: answers with their scores, latency, memory."""
