"""What people look at: tables on a terminal, attention maps, a page."""
