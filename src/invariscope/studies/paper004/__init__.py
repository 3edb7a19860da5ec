"""Studies of paper 004: what invariance is worth."""
