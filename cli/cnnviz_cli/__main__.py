"""Run the command line as `python -m cnnviz_cli`."""

from cnnviz_cli.start import main

if __name__ == "__main__":
    main()
