"""What was trained, from files: ours and those of published code."""
