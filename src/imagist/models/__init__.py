"""Model folders that ship with imagist."""
