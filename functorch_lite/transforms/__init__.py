"""The passes: cached functions from graph to graph, one file each. None knows a primitive by name."""
