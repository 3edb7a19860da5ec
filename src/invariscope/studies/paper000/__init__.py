"""Studies of paper 000: crops, factors of variation, Augerino."""
