"""One self-contained HTML page about runs: tables, charts, and every answer beside its picture.

`gather` finds the runs and what of them belongs side by side, `answers` joins what was answered to
one question, `pictures` makes thumbnails, `curves` reads the training, `charts` draws with `svg`,
and `page` writes the file. Answers and replies are somebody else's text: Jinja2 escapes them, the
data lie in a block of JSON that cannot end early, and the script only ever sets text.
"""
