"""Runs that outlive their process: a journal of what is done, and tables written from it."""
