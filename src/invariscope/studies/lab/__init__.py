"""Runs studies: jobs, executors, folders, findings."""
