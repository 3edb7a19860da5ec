"""Settings of the documentation site: `nox -s docs` builds it, warnings are errors."""

import importlib.metadata

project = "invariscope"
author = "The invariscope authors"
release = importlib.metadata.version(project)
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "pydata_sphinx_theme"
html_title = project
# Nothing is fetched while the site is built or read.
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
