"""What varies in a data set: factors of variation (paper 000 §4, appendices B, D.1, E)."""
