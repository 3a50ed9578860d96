"""What scripts lose on their way into a page: remarks and spaces, and nothing of what they say."""

from __future__ import annotations

import pytest

from cnnviz.pages.scripts import _renamed, _stripped
from tests.helpers.each_case import each_case


@each_case(
    ("written", "kept"),
    [
        ("const a = 1 + 2;\n", "let a=1+2;"),
        ("  if (a === b) {\n    c();\n  }\n", "if(a===b){c();}"),
        ('says("a = { b }", a);\n', 'says("a = { b }",a);'),
        ("says('it = \\' ; {');\n", "says('it = \\' ; {');"),
        ("f(a, () => { b(c[0] - d, e++ + f); });\n", "f(a,()=>{b(c[0]-d,e++ + f);});"),
        ("for (; a < b; a += 1) { c = a; d = 2; }\n", "for(;a<b;a +=1){c=a;d=2}"),
        ("while (a()) {\n  for (;;);\n}\n", "while(a()){for(;;);}"),
        ('a("const b;}", "c - d");\n', 'a("const b;}","c - d");'),
        ("`a = ${b ? `c ; ${d}` : { e } } ;` ;\n", "`a = ${b?`c ; ${d}`:{e}} ;`;"),
        ("/** What.\n * @param {any} a\n */\nexport function f(a) {\n", "function f(a){"),
        ('// why = "so\nconst a = x - -y;\n', "let a=x - -y;"),
        ('import { a } from "./b.js";\na ? b : c;\n', "a?b:c;"),
    ],
)
def test_spaces_go_where_they_say_nothing(written: str, kept: str) -> None:
    assert _stripped(written) == kept


def test_a_text_that_does_not_end_is_refused() -> None:
    with pytest.raises(ValueError, match="does not end"):
        _stripped('const a = "b;\n')


@each_case(
    ("written", "kept"),
    [
        ("function long(a){return a}long(1);", "function $a(a){return a}$a(1);"),
        ('long("long");other.along(long);', '$a("long");other.along($a);'),
        ("`long ${long(2)}`;", "`long ${$a(2)}`;"),
        ("long(a.long);", "long(a.long);"),
        ("f({long});", "f({long});"),
        ("f({a:1,long:2});", "f({a:1,long:2});"),
        ("let{long=1}=a;", "let{long=1}=a;"),
        ("f({long(a){return a}});", "f({long(a){return a}});"),
        ("longer(long());", "longer($a());"),
        ("[...long(1)]", "[...$a(1)]"),
        ("Math.max(a,Math.sqrt(b));a.Math.max", "$0(a,Math.sqrt(b));a.Math.max"),
    ],
)
def test_a_name_is_made_short_where_no_property_is_called_so(written: str, kept: str) -> None:
    assert _renamed(written, ["long"]) == kept
