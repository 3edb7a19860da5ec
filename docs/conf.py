"""Settings of the documentation site: `nox -s docs` builds it, warnings are errors."""

import importlib.metadata
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from generated import make_pages  # beside this file

project = "invariscope"
author = "The invariscope authors"
release = importlib.metadata.version(project)
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
myst_heading_anchors = 3
# Notebooks are run while the site is built; what fails in one fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "warn"
# tqdm misses widgets that no page shows; it says so with the path of its file.
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme = "pydata_sphinx_theme"
html_title = project
# Nothing is fetched while the site is built or read.
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
}


def setup(app):
    """Makes the pages of metrics and studies before Sphinx looks for files."""
    app.connect("builder-inited", lambda app: make_pages(Path(app.srcdir)))
