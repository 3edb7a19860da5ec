"""Studies of paper 003: learned equivariance."""
