"""E1: the text of a recipe cannot be read."""

from composer.diagnostics.codes.code import Code

CODES = {
    "E101": Code(
        "character that is not part of the language",
        "A recipe is made of plain letters, digits, quotes and the signs of the language. "
        "Curly quotes and long dashes from a word processor, arrows copied from a paper, and "
        "operators of other languages are errors. The message says what to write instead.",
        "[A, B] → vote()",
        "[A, B] -> vote()",
    ),
    "E102": Code(
        "an expression is missing",
        "An operator, a `=` or a pair of brackets needs a value, and there is none. A line that "
        "ends with an operator continues on the next line, so check the next line as well.",
        "[A, B] ->",
        "[A, B] -> vote()",
    ),
    "E103": Code(
        "word or sign in the wrong place",
        "Each piece is part of the language, but one of them cannot follow the piece before it. "
        "The message names both.",
        "A(temperature = 0)(max_tokens = 9)",
        "A(temperature = 0, max_tokens = 9)",
    ),
    "E104": Code(
        "a bracket is never closed",
        "A statement ends while one of its brackets is still open. A statement ends at the end of "
        "the file, and before a line that begins with a reserved word such as `let` or `model`. "
        "So one missing bracket does not hide the mistakes in the lines after it.",
        "let fused = token_fuse(A, B\nfused",
        "let fused = token_fuse(A, B)\nfused",
    ),
    "E105": Code(
        "a bracket is closed by one of another kind",
        "`(` must be closed by `)` and `[` by `]`, the last opened first. Both brackets are "
        "underlined. Usually a closing bracket is missing between them.",
        "span_fuse(A, [B, C)",
        "span_fuse(A, [B, C])",
    ),
    "E106": Code(
        "closing bracket without an opening one",
        "No bracket of this kind is open here. Delete this bracket, or add the opening one that is "
        "missing before it.",
        "[A, B] -> vote())",
        "[A, B] -> vote()",
    ),
    "E107": Code(
        "text with wrong quotes or escapes",
        'A text stands between plain double quotes, on one line. Inside it, \\" \\\\ \\n \\t \\r '
        "and \\u1234 each stand for one character; a backslash before anything else is an error. "
        'A text of several lines, or a template, stands between `"""` and `"""`; a backslash in it '
        "is a plain character.",
        "example 'What is 17 plus 25?'\nA",
        'example "What is 17 plus 25?"\nA',
    ),
    "E108": Code(
        "name with a letter that names cannot have",
        "Names consist of a to z, A to Z, 0 to 9 and `_`, and do not begin with a digit. Other "
        "letters are errors, because some of them look like these: two different names would look "
        "the same.",
        'model modèle = hf("org/name")',
        'model modele = hf("org/name")',
    ),
    "E109": Code(
        "not a number",
        "Numbers are written `10`, `1_000`, `0.5` or `1e-3`, without a unit and without a letter "
        "after them. Names do not begin with a digit.",
        "default generate(max_tokens = 4k)",
        "default generate(max_tokens = 4096)",
    ),
    "E110": Code(
        "comma too few or too many",
        "The items of a call or of a bank are separated by commas, also at the end of a line. "
        "A comma may follow the last item. Two commas in a row, or a comma outside of brackets, "
        "are errors.",
        "[A, B] -> vote(\n  by = exact\n  ties = first\n)",
        "[A, B] -> vote(\n  by = exact,\n  ties = first,\n)",
    ),
    "E111": Code(
        "two statements or expressions on one line",
        "Each statement begins on a new line and contains one expression. Use `->` to run steps "
        "one after the other, and a bank `[a, b]` to run them side by side.",
        "let a = sample(A, 3) let b = vote()",
        "let a = sample(A, 3)\nlet b = vote()",
    ),
    "E112": Code(
        "`=`, `==` and `:` confused",
        "`=` gives a value to a name or an argument, `==` compares, and `:` names a branch of a "
        "bank or gives the type of a `param`.",
        "A -> cascade(D, accept = confidence = 1)",
        "A -> cascade(D, accept = confidence == 1)",
    ),
    "E113": Code(
        "chained comparisons",
        "Comparisons cannot be chained. To test whether a value lies between two others, write two "
        "comparisons and join them with `and`.",
        "A -> cascade(D, accept = 0.2 < confidence < 0.8)",
        "A -> cascade(D, accept = 0.2 < confidence and confidence < 0.8)",
    ),
    "E114": Code(
        "reserved word as a name",
        "These words cannot be names: `use`, `model`, `param`, `let`, `def`, `default` and "
        "`example`, which begin statements, and `and`, `or`, `not`, `true`, `false` and `none`. "
        "Choose another name.",
        'model model = hf("org/name")',
        'model judge = hf("org/name")',
    ),
    "E115": Code(
        "incomplete statement",
        "Each statement has one form: `use` takes a file and names; `model` and `let` take a name, "
        "a `=` and a value; `param` also takes a type; `def` takes parameters; `default` takes a "
        "call; `example` takes a text. The message shows the form of this statement.",
        'model A hf("org/name")',
        'model A = hf("org/name")',
    ),
    "E116": Code(
        "nested too deep",
        "An expression may have a hundred levels. Every bracket is a level, and so is every term "
        "of a sum. The stages of a chain and the branches of a bank do not count. Use `let` to "
        "name parts of the expression.",
    ),
    "E117": Code(
        "unfinished merge of two versions of the file",
        "Version control writes lines that begin with `<<<<<<<`, `=======` or `>>>>>>>` where two "
        "changes conflict. Keep the lines that are right, and delete the markers.",
    ),
    "E118": Code(
        "unknown type of a `param`",
        "The types are `int`, `float`, `bool`, `str`, `path`, `model`, and `list[...]` of one of "
        "them.",
        "param names: list = []",
        "param names: list[str] = []",
    ),
    "E119": Code(
        "not valid YAML",
        "A recipe whose name ends in `.yaml` or `.yml` is read as YAML: keys are followed by `:`, "
        "lists are written with `-` or in brackets, and items that belong together have the same "
        "indentation, in spaces. Put a value that begins with a sign such as `[`, `@` or `*` in "
        "quotes.",
    ),
    "E120": Code(
        "feature of YAML that recipes do not allow",
        "Tags, anchors, aliases, merge keys, directives and a second document are errors: with "
        "them a file can mean something else than it shows, or grow without limit. Use `let` to "
        "name a value that is needed twice, and `default` for options of all uses of a step.",
    ),
    "E121": Code(
        "mapping, list or text where another one is needed",
        "In YAML, a mapping with one key is a call, and a list is a bank. But the list directly "
        "under `answer`, a `let` or a `def` is a chain. Write an expression with an operator as a "
        'string, such as `"confidence >= 0.6"`; a text as `{text: "..."}`; a template as '
        "`{template: ...}`; a branch with a name as `{name: ..., value: ...}`.",
    ),
    "E122": Code(
        "recipe that cannot be formatted",
        "`compose fmt` formatted the recipe, but the result did not have the same meaning, so "
        "nothing was written. This is a bug in the formatter, not a mistake in the recipe.",
    ),
}
