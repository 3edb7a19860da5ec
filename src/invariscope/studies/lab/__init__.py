"""Where a study works: jobs, executors, folders, findings."""
