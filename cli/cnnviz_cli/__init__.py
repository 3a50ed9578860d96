"""The command line: `cnnviz report`, and a command for every view."""
