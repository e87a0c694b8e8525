"""Tables, figures and a page from result files.

The way of a result: `runs` (read and checked) -> `layout` (its row, and what that is called) ->
`tables` (averaged, compared, beside `published` numbers) -> `figures` -> `output` (markdown, LaTeX,
CSV, HTML). `kinds` has all reports, `__main__` the command line.
"""

import ending

if ending.is_being_started():  # `python -m reports`; what the others import first is startup.py
    ending.watch()
