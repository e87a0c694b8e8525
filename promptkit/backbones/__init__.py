"""Opening a CLIP: weights by name or path, their activation and identity, and its tokenizer."""
