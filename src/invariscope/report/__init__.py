"""Reports: words, figures and pages; the kit, and a folder for each page."""
