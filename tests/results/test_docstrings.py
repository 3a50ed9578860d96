"""Lists in docstrings."""

from cnnviz.results.docstrings import fill_docstring


def test_a_list_stands_where_its_name_is() -> None:
    @fill_docstring(fruit="apples, pears", other="nothing")
    def eat() -> None:
        """Eat {fruit}, not {these}."""

    assert eat.__doc__ == "Eat apples, pears, not {these}."


def test_a_function_without_a_docstring_stays_without() -> None:
    @fill_docstring(fruit="apples")
    def eat() -> None:
        pass

    assert eat.__doc__ is None
