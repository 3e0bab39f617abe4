"""The one table of codes: what each means, with an example broken and fixed."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """What a code stands for."""

    title: str
    text: str
    broken: str = ""
    mended: str = ""


def explanation(code: str) -> str | None:
    """Explain a code, in any case of letters; an unknown code has no explanation."""
    entry = CODES.get(code.upper())
    if entry is None:
        return None
    parts = [f"{code.upper()}: {entry.title}", entry.text]
    if entry.broken:
        parts += ["Broken:", _indented(entry.broken)]
    if entry.mended:
        parts += ["Fixed:", _indented(entry.mended)]
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


CODES: dict[str, Code] = {
    # E1: words. The text of a recipe cannot be read.
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
    # E2: names and options.
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
    # E3: ports and capabilities.
    "E301": Code(
        "a step is given the wrong kind of value",
        "A chain passes on a Query, a Text, Candidates, a Ranking or a Decision, and each step "
        "takes only some of them. One answer may stand for candidates, but several candidates "
        "never stand for one answer: a step must choose first.",
        "[A, B] -> cascade(D)",
        "[A, B] -> vote() -> cascade(D)",
    ),
    "E302": Code(
        "a member cannot do what its step needs",
        "Steps need capabilities of their models: `token_fuse` needs logits, `span_fuse` needs "
        "scores of a given text, `merge` needs weights. A server that only returns text can vote, "
        "be a choice of a route and be a stage of a cascade, but cannot be fused token by token.",
        'model E = fake("42")\ntoken_fuse(A, E)',
        'model E = fake("42")\n[A, E] -> vote()',
    ),
    "E303": Code(
        "a model is given answers instead of a query",
        "A model takes a query. To ask it about the answers of other models, put `prompt(...)` "
        "before it: it writes the answers into a new query. `regenerate(M)` does both.",
        "[A, B] -> C",
        "[A, B] -> prompt(aggregate) -> C",
    ),
    "E304": Code(
        "the recipe ends with several answers",
        "A recipe must end with one answer. Add a step that chooses an answer or writes a new one: "
        "`vote()`, `rank(...) -> best()` or `regenerate(M)`.",
        "[A, B, C]",
        "[A, B, C] -> vote()",
    ),
    "E305": Code(
        "different vocabularies without an alignment",
        "The members of a `token_fuse` have different tokens, so their probabilities cannot be "
        "added token by token. Choose an alignment with `align`, or fuse pieces of text with "
        "`span_fuse`.",
        "token_fuse(A, other)",
        "token_fuse(A, other, align = union)",
    ),
    "E306": Code(
        "different models cannot be merged",
        "A merge adds the weights of its members, tensor by tensor. So the members need the same "
        "shapes and the same tokenizer, as models tuned from one base have. Fuse other models "
        "while they write.",
        "merge(A, D)",
        "token_fuse(A, D)",
    ),
    # E4: values.
    "E401": Code(
        "value of the wrong type",
        "An option or a `param` is given a value of a type that it does not take, such as a text "
        "instead of a number. Write numbers without quotes.",
        'default generate(temperature = "0.7")',
        "default generate(temperature = 0.7)",
    ),
    "E402": Code(
        "value outside of the allowed range",
        "The value has the right type, but it is too small, too large or not one of the allowed "
        "values. The message gives the limits.",
        "default generate(temperature = -1)",
        "default generate(temperature = 0)",
    ),
    "E403": Code(
        "the number of weights is not the number of members",
        "Give one weight for each member, in the order of the members.",
        "token_fuse(A, B, weights = [0.5, 0.3, 0.2])",
        "token_fuse(A, B, weights = [0.6, 0.4])",
    ),
    "E404": Code(
        "`--set` with an unknown name",
        "`--set` takes `NAME=VALUE` for a `param`, `RECIPE.NAME=VALUE` for a `param` of a used "
        "recipe, `default.STEP.OPTION=VALUE`, and `model.NAME.OPTION=VALUE`.",
        "compose run r.ens --set doute=0.8",
        "compose run r.ens --set doubt=0.8",
    ),
    "E405": Code(
        "not a rule, or not a formula",
        "A rule, such as the `accept` of a cascade, compares signals with numbers and joins the "
        "comparisons with `and`, `or` and `not`. A formula adds and subtracts models, which may be "
        "multiplied by numbers. Models cannot be multiplied by models.",
        "token_fuse(A * B)",
        "token_fuse(A + 0.6 * (B - A))",
    ),
    "E406": Code(
        "secret in the recipe",
        "The recipe contains the key of a service, so everybody who can read the file or its "
        'history can use it. Write `env("NAME")` instead, and replace the key at the service.',
    ),
    "E407": Code(
        "option that the model does not support",
        "Penalties, `logit_bias` and `min_tokens` change the logits of a model, so the model must "
        "run on this machine, or on a server that has these options. A `logit_bias` names a token "
        "by its id, which only holds for one vocabulary, or by a text that is exactly one token.",
        'model E = fake("42")\nE(repetition_penalty = 1.2)',
        "A(repetition_penalty = 1.2)",
    ),
    "E408": Code(
        "generation_config.json that cannot be used",
        "With `generation_config = true` a model is asked as the generation_config.json in its "
        "folder says. This file asks for something that is not supported, such as beam search, or "
        "it is not on this machine yet. Leave the option out, and write the settings you want as "
        "options of the model or of `generate`.",
    ),
    "E409": Code(
        "chat template that cannot be used",
        "A chat template turns a conversation into the text that the model reads. This one fails, "
        "or leaves out the question, the system message or earlier turns; or there are several "
        "and none is the default. Choose another template with `template`, by its name or as "
        '`file("chat.jinja")`; give its variables with `template_args`; or write '
        "`fold_system = true` to put the system message before the first question.",
    ),
    # E5: files.
    "E501": Code(
        "missing file",
        "A path starts at the folder of the file that names it. If there is no such file, the "
        "recipes of this package are searched.",
        'use "zo.ens" (A)',
        'use "zoo.ens" (A)',
    ),
    "E502": Code(
        "file outside of the project",
        "`use` and templates read only files below the root of the project: the nearest folder "
        "above the recipe with a pyproject.toml or a .git. So a recipe from elsewhere cannot read "
        "your other files. `--root FOLDER` sets another root.",
        'use "../outside.ens" (A)',
        'use "zoo.ens" (A)',
    ),
    "E503": Code(
        "file that cannot be read",
        "A recipe must be a text file in UTF-8. This file has another encoding or characters that "
        "are not text, is a folder, or may not be opened.",
    ),
    "E504": Code(
        "mistake in a data file",
        "Each row needs a `query` or `messages`, as text. A row is a JSON object, on a line of its "
        "own or in a list, or a line of CSV or TSV. The message names the line and the field. No "
        "bad row is skipped silently.",
        '{"questoin": "What is 17 plus 25?"}',
        '{"query": "What is 17 plus 25?"}',
    ),
    "E505": Code(
        "model folder that cannot be used",
        "A checkpoint needs its configuration, its tokenizer and its weights in one folder. One of "
        "them is missing, damaged, or of a kind that the backend does not support.",
    ),
    "E506": Code(
        "a model or a data file has changed since the lock",
        "`compose plan RECIPE --lock` records the content of models, tokenizers and data files. "
        "A run with such a lock fails if one of them is different; the message says which. Restore "
        "it, or write the lock again to accept the change.",
    ),
    "E507": Code(
        "the fit is out of date",
        "`compose fit` writes its result beside the recipe, with the options of the part, the "
        "names of the choices and the digest of the data. One of them has changed since, so the "
        "fit no longer applies. Fit again, or delete the fit.",
    ),
    "E508": Code(
        "the fit belongs to another recipe",
        "The fit beside the recipe was made for another recipe: none of its parts and choices are "
        "in this one. Fit this recipe, or delete the file.",
    ),
    "E509": Code(
        "a part cannot be fitted, or is not fitted yet",
        "Either the recipe has no part that can be fitted, or a part of it must be fitted before "
        "it is used, or the data are not enough: a choice without outcomes, fewer rows than folds, "
        "a target that no setting reaches. The message says which.",
    ),
    # E6: planning.
    "E601": Code(
        "the models need too much memory",
        "Together the models of the plan need more memory than the devices have. Use a smaller "
        "`dtype`, fewer models, another device, or a server for the largest model.",
    ),
    "E602": Code(
        "unknown device",
        "A model asks for a device that this machine does not have. `device = auto` takes the best "
        "device of the machine; `compose doctor` lists all devices.",
        'model A = hf("org/name", device = cuda)',
        'model A = hf("org/name", device = auto)',
    ),
    # E7: running.
    "E701": Code(
        "a member failed",
        "A model raised an error, or a server refused the request, and there is no fallback. "
        "`A | B` asks B when A fails.",
        "A",
        "A | B",
    ),
    "E702": Code(
        "a member took too long",
        "A model, a step or a query took longer than its `timeout` in seconds, or a backend "
        "stopped waiting for its model. The work was cancelled. Loading a model does not count; "
        "waiting for other requests does. Raise the `timeout`, ask for fewer tokens, or add a "
        "fallback.",
        "A(timeout = 0.5)",
        "A(timeout = 30) | B",
    ),
    "E703": Code(
        "a text is longer than the model's context",
        "The prompt and the answer together have more tokens than the model can read. Write a "
        "shorter `prompt`, or ask for fewer tokens.",
    ),
    "E704": Code(
        "a model gave values that are not numbers",
        "A logit or a score is NaN or infinite. Such a score never wins: a ranking puts it last, "
        "and a rule treats it as unknown. If there is no other score, this error is raised. The "
        "usual cause is an overflow of the number type: try `dtype = bf16` or `dtype = float32`, "
        "and check the weights of merged models.",
    ),
    "E705": Code(
        "there is nothing to choose from",
        "Every member failed or abstained, so a vote or a ranking has no answers. Or the members "
        "of a fuse leave no possible next token, which can happen with `minimum()` and with "
        "formulas.",
    ),
    "E706": Code(
        "the output file belongs to another run",
        "A run continues its output file if the file exists. But this file was written with "
        "another recipe, other settings or other queries. Give another file, or delete this one.",
    ),
    "E707": Code(
        "the ensemble is closed",
        "The ensemble was closed, so it can no longer be asked. Make the recipe ready again, or "
        "ask inside of its `with` block. A forked process does not have the threads that answer: "
        "make the recipe ready in each process.",
    ),
    "E708": Code(
        "a template cannot be rendered",
        "The template uses a value that the step before it does not give, or has a mistake in its "
        "Jinja2 syntax. The message says which.",
    ),
    "E709": Code(
        "the budget is spent",
        "With `--budget`, a call is made only if its highest possible cost fits into the rest of "
        "the budget: every byte of the prompt counts as a token, and `max_tokens` are written. "
        "Calls that are still running count too. Finished answers are kept; a second call with the "
        "same `--output` continues.",
    ),
    "E711": Code(
        "text that a member cannot write",
        "The next bytes of the text have no tokens in the tokenizer of a member: it lacks some "
        "bytes, or some characters and the bytes to write them with. Leave the member out, or use "
        "a model whose tokenizer has every byte.",
    ),
    "E712": Code(
        "evaluation that is not possible",
        "`--route-only` needs a route that decides from the query alone, as in "
        "`route(by = ...) -> [A, B]`. Evaluate a recipe without a route, or with a route after an "
        "answer, without this option. A plot of quality over cost needs recorded costs, prices, or "
        "two choices of which one is the stronger.",
    ),
    "E714": Code(
        "another run is writing to the output file",
        "Two runs that write to one file would lose answers, so the second one stops. Wait for the "
        "first, or give another file. A killed run does not block the file.",
    ),
    "E715": Code(
        "cache size that is not valid",
        "COMPOSE_CACHE_SIZE limits the answers kept on disk, COMPOSE_MERGED_SIZE the merged "
        "models; the least recently used are removed first. Give a number with a unit, such as "
        "`500 MB` or `2 GB`. 0 keeps nothing.",
    ),
    "E716": Code(
        "too few branches answered",
        "If branches of a bank fail, the bank continues as long as more than half of them answer, "
        "or as many as `default bank(min = ...)` requires: a number, or `all`. A cascade fails if "
        "every attempt fails. The message names each failed branch and the reason.",
        "default bank(min = all)\n[A, B] -> vote()",
        "default bank(min = 1)\n([A, B] -> vote()) | D",
    ),
    # W: warnings.
    "W201": Code(
        "unused name",
        "A model, a `let`, a `param` or a `def` is declared, but the answer does not use it. It is "
        "neither loaded nor run.",
    ),
    "W202": Code(
        "file without an answer",
        "The file only declares names. That is right for a file that others import with `use`. To "
        "run the file, end it with an expression.",
    ),
    "W301": Code(
        "unknown confidence",
        "A rule uses the confidence of an answer, but the member that writes the answer gives no "
        "log-probabilities. Use agreement or a judge in the rule instead.",
        'model E = fake("42")\nE -> cascade(D, accept = confidence >= 0.6)',
        'model E = fake("42")\n[A, B, E] -> vote() -> cascade(D, accept = agreement >= 0.6)',
    ),
    "W302": Code(
        "route with nothing to decide",
        "A route chooses among the branches of the bank after it, or weighs the members of the "
        "fuse after it. This one has a single branch, so it always takes that branch. Note that "
        "`|` binds tighter than `->`: in `route -> [A, B] | C` the route has one branch, the "
        "fallback. Put brackets around the route and its bank: `(route -> [A, B]) | C`.",
        "route -> [A]",
        "route -> [A, B]",
    ),
    "W402": Code(
        "generation_config.json that is not used",
        "The folder of the model has a generation_config.json with settings for generation, such "
        "as the temperature, a penalty or a length. A recipe has settings of its own, so the file "
        "is not used, and answers differ from those of `generate` in transformers. Write "
        "`generation_config = true` on the model to use the file where the recipe sets nothing, or "
        "`generation_config = false` to hide this warning.",
    ),
    "W403": Code(
        "sampling settings of generation_config.json that are not used",
        "With `generation_config = true`, sampling settings and lengths from the file apply only "
        "to answers that the model writes alone. In a fuse, or where a step asks the model a "
        "question of the step, the options of the fuse or step apply. Penalties and forbidden "
        "tokens from the file apply everywhere.",
    ),
    "W404": Code(
        "chat template that leaves something out",
        "A test of the chat template showed that the system message, or some turns of a "
        "conversation, do not reach the model. A question that has them will fail (E409). Choose "
        "another template, or write `fold_system = true`.",
    ),
    "W501": Code(
        "check that is made later",
        "What this model can do is known only after it is downloaded or asked. Checks that depend "
        "on it are made when the recipe is made ready.",
    ),
    "W508": Code(
        "parts of the data that are ignored",
        "Rows contain more than a recipe reads: parts of messages that are not text, such as "
        "images, or options of a batch request, such as a model or a temperature. Only the text is "
        "used; options come from the recipe.",
    ),
    "W701": Code(
        "queries that are unlike the fitted data",
        "More queries than chance allows are out of distribution: they are further from the fitted "
        "rows than nearly all of those rows are from each other. A fitted route can be worse than "
        "chance there, so its estimates are shrunk towards those from the length and shape of the "
        "query. Fit on queries like these.",
    ),
    "W702": Code(
        "answers without some branches",
        "Some branches failed or took too long, and the answers were made without them. Such "
        "answers may be worse. `--json` and `--trace` show which branch failed, and why. With "
        "`default bank(min = all)` such a query fails instead.",
    ),
    "W710": Code(
        "answers are not kept",
        "The file that keeps answers between runs cannot be opened, read or written: the disk is "
        "full, the file is damaged, another process has locked it, or you have no permission. No "
        "answer is lost, and the run continues without the file. The file contains only copies, so "
        "you may delete it. XDG_CACHE_HOME sets another folder; `--no-cache` keeps nothing.",
    ),
}
"""Each code with its title, a paragraph, and an example broken and fixed."""
