"""What scripts lose on their way into a page: remarks and spaces, and nothing of what they say."""

from __future__ import annotations

import pytest

from cnnviz.pages.scripts import _stripped


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("const a = 1 + 2;\n", "const a=1 + 2;"),
        ("  if (a === b) {\n    c();\n  }\n", "if(a===b){c();}"),
        ('says("a = { b }", a);\n', 'says("a = { b }",a);'),
        ("says('it = \\' ; {');\n", "says('it = \\' ; {');"),
        ("`a = ${b ? `c ; ${d}` : { e } } ;` ;\n", "`a = ${b ? `c ; ${d}` : { e } } ;`;"),
        ("/** What.\n * @param {any} a\n */\nexport function f(a) {\n", "function f(a){"),
        ('// why = "so\nconst a = x - -y;\n', "const a=x - -y;"),
        ('import { a } from "./b.js";\na ? b : c;\n', "a?b:c;"),
    ],
)
def test_spaces_go_where_they_say_nothing(written: str, kept: str) -> None:
    assert _stripped(written) == kept


def test_a_text_that_does_not_end_is_refused() -> None:
    with pytest.raises(ValueError, match="does not end"):
        _stripped('const a = "b;\n')
