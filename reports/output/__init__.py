"""Documents as markdown, LaTeX, CSV and HTML, and the page."""
