"""Studies of paper 002: where features are equivariant."""
