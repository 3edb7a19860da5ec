"""What augmentations do to single classes and images: whom they help, whom they hurt."""
