"""The page of a search for factors."""
