"""Parts of the page that have data of their own beside the scorecards."""
