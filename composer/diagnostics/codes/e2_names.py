"""E2: names and options."""

from composer.diagnostics.codes.code import Code

CODES = {
    "E201": Code(
        "unknown name",
        "No model, `let`, `param`, `def`, parameter or step has this name. Upper and lower case "
        "are different letters. To use a name from another file, import it with `use`.",
        'model E = hf("org/name")\n[E, F] -> vote()',
        'model E = hf("org/name")\nmodel F = hf("org/other")\n[E, F] -> vote()',
    ),
    "E202": Code(
        "unknown step",
        "A call must name a step, a `def`, or a recipe imported with `use ... as`. "
        "`compose ls steps` lists all steps, with those of installed plugins.",
        "[A, B] -> voting()",
        "[A, B] -> vote()",
    ),
    "E203": Code(
        "unknown option",
        "The step has no option of this name. Unknown options are always errors, so that a "
        "spelling mistake is not ignored. `compose explain step NAME` lists the options of a step.",
        "default generate(temprature = 0)",
        "default generate(temperature = 0)",
    ),
    "E204": Code(
        "a name is defined twice",
        "In one file a name may be defined only once, whether by `use`, `model`, `param`, `let` or "
        "`def`. The same is true for the parameters of a `def`, the branches of a bank and the "
        "arguments of a call.",
        "let x = vote()\nlet x = rank()",
        "let x = vote()\nlet y = rank()",
    ),
    "E205": Code(
        "definition that uses itself",
        "A `let` or a `def` uses itself, directly or through others, or files `use` each other in "
        "a circle. For repetition use an option of a step, such as the `n` draws of `sample`.",
        "let a = [b, A] -> vote()\nlet b = [a, B] -> vote()\na",
        "let a = [b, A] -> vote()\nlet b = [A, B] -> vote()\na",
    ),
    "E206": Code(
        "too many arguments, or too few",
        "A step, a `def` or a recipe is given more values than it has parameters, or a required "
        "one is missing.",
        "def layer(members, judge) = members -> select(judge)\nlayer([A, B])",
        "def layer(members, judge) = members -> select(judge)\nlayer([A, B], C)",
    ),
    "E207": Code(
        "recipe without an answer",
        "The last statement of a recipe must be an expression without a name: the answer. Other "
        "files can use the names in a file without an answer, but it cannot be run.",
        'example "What is 17 plus 25?"\nlet fused = token_fuse(A, B)',
        'example "What is 17 plus 25?"\nlet fused = token_fuse(A, B)\nfused',
    ),
    "E208": Code(
        "two answers, or two examples",
        "A recipe has one expression without a name, the answer, and at most one `example`. To run "
        "steps one after the other, write a chain: a line that continues a chain begins with `->`.",
        "[A, B]\nvote()",
        "[A, B]\n  -> vote()",
    ),
    "E209": Code(
        "unknown part",
        "The option takes a part of a method, such as an estimator, a policy or a comparison, and "
        "no part of this kind has this name. `compose ls parts` lists all parts.",
        "[A, B] -> vote(by = rogue)",
        "[A, B] -> vote(by = rouge)",
    ),
    "E210": Code(
        "unknown backend",
        "The backends of models are `hf` for a checkpoint, `endpoint` for a server, `zoo` for the "
        "small models of this package, `recorded` for answers kept in a file, `fake` for tests, "
        "and those of installed plugins.",
        'model A = huggingface("org/name")',
        'model A = hf("org/name")',
    ),
}
