"""Examples: read every usual format, split by document, refuse leaks. See docs/examples.md."""
