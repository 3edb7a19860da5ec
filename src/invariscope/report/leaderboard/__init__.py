"""The leaderboard of several runs, as a page and as text."""
