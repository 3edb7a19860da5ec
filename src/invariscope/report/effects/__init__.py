"""Effects on classes in words."""
