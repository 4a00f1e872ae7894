"""The periodic industry report of measure 16: gathered from views, drawn, written."""
