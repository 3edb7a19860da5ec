"""Where things are in images, and how large: boxes around foregrounds, and their spread."""
