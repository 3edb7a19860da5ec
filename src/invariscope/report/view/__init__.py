"""The page of `invariscope view`: runs to choose from, and what is shown of those chosen."""
