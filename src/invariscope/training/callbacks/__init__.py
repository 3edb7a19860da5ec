"""Measures during trainings of Lightning and of the Trainer of Hugging Face."""
