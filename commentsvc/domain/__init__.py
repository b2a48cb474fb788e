"""Models, errors, field types, and pure functions for text, URLs, time and cryptography. No I/O."""
