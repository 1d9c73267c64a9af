"""The report of a plan: one HTML page that explains itself to colleagues, from one file, without a network.

The page says everything without JavaScript; the script only links table and charts and lets the reader
narrow them down. Same plans and logs, same bytes: nothing here asks for the time.

Names, sentences and logs come from outside. Templates escape everything, and the script reads no data but
the attributes of the elements that the templates wrote.
"""

from edgewise.design.report._page import render

__all__ = ["render"]
