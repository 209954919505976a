"""What is asked, how a reply is read, and what is counted, one benchmark to a file.

Pure functions over text: a benchmark never sees a model, a key, a clock or a file.
"""
