"""Training: one loop, the augmentations of the papers, Augerino."""
