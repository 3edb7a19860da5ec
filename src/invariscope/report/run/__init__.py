"""The report of a run: its verdict, its figures, its page and the pages of its layers."""
