"""The experiments of the papers, each as one command, and their claims."""
