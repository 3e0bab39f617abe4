"""Recipes and results show themselves in notebooks."""

import composer


def test_a_recipe_is_a_picture():
    html = composer.load('model A = fake("x")\nmodel B = fake("y")\nA -> cascade(B)')._repr_html_()
    assert html.startswith("<svg")
    assert ">A<" in html


def test_a_result_is_its_answer_escaped():
    html = composer.load('model A = fake("a < b")\nA')("?")._repr_html_()
    assert "<pre>a &lt; b</pre>" in html
    assert "A &times;1" in html
