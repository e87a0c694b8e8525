"""What runs left behind: result files, logs and curves, read and checked."""
