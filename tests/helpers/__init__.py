"""What several tests share: networks, data, references, and readers of what was made.

A test module imports from here, and never from another test module or a conftest.
"""
