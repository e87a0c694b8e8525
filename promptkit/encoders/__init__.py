"""What turns prompts and images into features, exactly and at little cost, in a precision."""
