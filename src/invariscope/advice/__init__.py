"""What a search for factors advises: whether the model fits the data, what to augment with."""
