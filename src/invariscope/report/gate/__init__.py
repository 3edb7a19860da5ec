"""A verdict as text, JUnit XML, GitHub annotations and Markdown."""
