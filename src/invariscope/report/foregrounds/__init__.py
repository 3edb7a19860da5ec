"""Foregrounds in words and figures."""
