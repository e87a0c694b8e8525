"""Published numbers to stand beside ours."""
