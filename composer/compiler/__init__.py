"""From a tree to a plan: the typed graph, the rules that improve it, and what will run."""
