"""Run the command line as `python -m cnnviz`.

The one file of the library that knows of the command line, which stands above it: Python looks for
what `python -m cnnviz` runs here and nowhere else. Nothing imports this file.
"""

from cnnviz_cli.start import main

if __name__ == "__main__":
    main()
