"""Advises from a search for factors: does the model fit the data, and what to augment with?"""
