"""Any runs in one table, in several forms of text."""
