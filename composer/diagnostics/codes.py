"""The one table of codes: what each means, with an example broken and mended."""

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
        parts += ["Mended:", _indented(entry.mended)]
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


CODES: dict[str, Code] = {
    # E1: words. The text of a recipe cannot be read.
    "E101": Code(
        "a character or a sign that the language does not have",
        "Recipes are written with plain letters, digits, quotes and the signs of the language. "
        "Quotes and dashes that a word processor has made typographic, arrows copied out of a "
        "paper, and operators of other languages are refused, with what to write instead.",
        "[A, B] → vote()",
        "[A, B] -> vote()",
    ),
    "E102": Code(
        "an expression is missing",
        "An operator, a `=` or a pair of brackets promises a value, and none stands there. A line "
        "that ends with an operator goes on in the next line, so the value may also have been "
        "taken for a line of its own.",
        "[A, B] ->",
        "[A, B] -> vote()",
    ),
    "E103": Code(
        "something stands where it cannot stand",
        "Each piece is a word or a sign of the language, but not one that can follow what stands "
        "before it. The message names both.",
        "A(temperature = 0)(max_tokens = 9)",
        "A(temperature = 0, max_tokens = 9)",
    ),
    "E104": Code(
        "a bracket is never closed",
        "A bracket is open where its statement ends. A statement ends with the file, and before a "
        "line that begins with a reserved word such as `let` or `model`, so that one forgotten "
        "bracket does not hide the mistakes of the lines after it.",
        "let fused = token_fuse(A, B\nfused",
        "let fused = token_fuse(A, B)\nfused",
    ),
    "E105": Code(
        "a bracket is closed by one of another kind",
        "`(` is closed by `)` and `[` by `]`, the one opened last first. Both brackets are "
        "underlined; usually a closing one is missing between them.",
        "span_fuse(A, [B, C)",
        "span_fuse(A, [B, C])",
    ),
    "E106": Code(
        "a bracket closes nothing",
        "No bracket of this kind is open where one is closed. Either it is one too many, or the "
        "bracket that it should close is missing before it.",
        "[A, B] -> vote())",
        "[A, B] -> vote()",
    ),
    "E107": Code(
        "a text is not written as one",
        'A string stands between plain double quotes, on one line. Inside it \\" \\\\ \\n \\t \\r '
        "and \\u1234 stand for a character each; a backslash before anything else is refused. A "
        'text of several lines, or a template, stands between `"""` and `"""`, where a backslash '
        "stands for itself.",
        "example 'What is 17 plus 25?'\nA",
        'example "What is 17 plus 25?"\nA',
    ),
    "E108": Code(
        "a name holds a letter that names cannot hold",
        "Names are made of a to z, A to Z, 0 to 9 and `_`, and do not begin with a digit. Other "
        "letters are refused, because some of them look just like these and make two names of "
        "what reads as one.",
        'model modèle = hf("org/name")',
        'model modele = hf("org/name")',
    ),
    "E109": Code(
        "a number that is none",
        "Numbers are written `10`, `1_000`, `0.5` or `1e-3`, without units and without a letter "
        "behind them. Names do not begin with a digit.",
        "default generate(max_tokens = 4k)",
        "default generate(max_tokens = 4096)",
    ),
    "E110": Code(
        "a comma is missing, or is one too many",
        "What stands in a call or in a bank is separated by commas, at the end of a line too. One "
        "comma may follow the last item; two in a row, or one outside of brackets, separate "
        "nothing.",
        "[A, B] -> vote(\n  by = exact\n  ties = first\n)",
        "[A, B] -> vote(\n  by = exact,\n  ties = first,\n)",
    ),
    "E111": Code(
        "two things on a line that holds one",
        "Each statement begins on a line of its own, and an expression is one expression. What "
        "should run one after the other is chained with `->`; what should run side by side is "
        "a bank.",
        "let a = sample(A, 3) let b = vote()",
        "let a = sample(A, 3)\nlet b = vote()",
    ),
    "E112": Code(
        "`=`, `==` and `:` confused",
        "`=` gives a name or an argument its value, `==` compares, and `:` names a branch of a "
        "bank or the type of a `param`.",
        "A -> cascade(D, accept = confidence = 1)",
        "A -> cascade(D, accept = confidence == 1)",
    ),
    "E113": Code(
        "comparisons in a chain",
        "The result of a comparison is true or false, so it cannot be compared with a number. A "
        "value between two others is compared twice.",
        "A -> cascade(D, accept = 0.2 < confidence < 0.8)",
        "A -> cascade(D, accept = 0.2 < confidence and confidence < 0.8)",
    ),
    "E114": Code(
        "a reserved word as a name",
        "`use`, `model`, `param`, `let`, `def`, `default` and `example` begin statements, and "
        "`and`, `or`, `not`, `true`, `false` and `none` have their meaning everywhere. None of "
        "them names anything else.",
        'model model = hf("org/name")',
        'model judge = hf("org/name")',
    ),
    "E115": Code(
        "a statement that is not finished, or not begun rightly",
        "Each statement has one shape: `use` takes a file and names, `model` and `let` a name, a "
        "`=` and a value, `param` a type besides, `def` parameters, `default` a call, and "
        "`example` a text. The message shows the shape of the statement at hand.",
        'model A hf("org/name")',
        'model A = hf("org/name")',
    ),
    "E116": Code(
        "nested too deep",
        "An expression may nest a hundred levels. Every bracket is a level, and so is every term "
        "of a sum; the stages of a chain and the branches of a bank are not. Give parts of it "
        "names with `let`.",
    ),
    "E117": Code(
        "an unfinished merge",
        "Lines that begin with `<<<<<<<`, `=======` or `>>>>>>>` are left by version control "
        "where two changes met. Keep one of the two versions, or what is right of both, and "
        "delete the markers.",
    ),
    "E118": Code(
        "a type that a `param` cannot have",
        "The types are `int`, `float`, `bool`, `str`, `path`, `model` and `list[...]` of one of "
        "them.",
        "param names: list = []",
        "param names: list[str] = []",
    ),
    "E119": Code(
        "a file that cannot be read as YAML",
        "A recipe whose name ends in `.yaml` or `.yml` is read as YAML: keys followed by `:`, "
        "lists with `-` or in brackets, and what belongs together indented alike, with spaces. "
        "What begins with a sign such as `[`, `@` or `*` and is none of these stands in quotes.",
    ),
    "E120": Code(
        "something of YAML that recipes do without",
        "Tags, anchors, aliases, merge keys, directives and further documents are refused: they "
        "make a file mean what one does not see in it, and expand without bound. What is needed "
        "twice is given a name with `let`, options for all uses of a step with `default`.",
    ),
    "E121": Code(
        "a mapping, a list or a text where another of them is due",
        "In YAML a mapping with one key is a call, a list is a bank, except that the list which is "
        "the value of `answer`, of a `let` or of a `def` is a chain, and what has an operator is a "
        'string such as `"confidence >= 0.6"`. A text is `{text: "..."}`, a template '
        "`{template: ...}`, a branch with a name `{name: ..., value: ...}`.",
    ),
    "E122": Code(
        "a recipe that cannot be formatted",
        "The text that `compose fmt` made of a recipe did not mean the same when it was read back, "
        "so nothing was written. This is a mistake of the formatter, not of the recipe.",
    ),
    # E2: names and options.
    "E201": Code(
        "a name that nothing has",
        "The name is none of a model, a `let`, a `param`, a `def`, a parameter, or a step. Names "
        "are the same only if their letters are, in the same case. A name out of another file has "
        "to be taken from it with `use`.",
        'model E = hf("org/name")\n[E, F] -> vote()',
        'model E = hf("org/name")\nmodel F = hf("org/other")\n[E, F] -> vote()',
    ),
    "E202": Code(
        "a step that does not exist",
        "What is called is neither a step nor a `def` nor a recipe that was brought in with "
        "`use ... as`. `compose ls steps` lists the steps, with those of installed plugins.",
        "[A, B] -> voting()",
        "[A, B] -> vote()",
    ),
    "E203": Code(
        "an option that a step does not have",
        "Options that a step does not know are always refused, so that a slip of the pen is not "
        "silently ignored. `compose explain step NAME` shows what a step takes.",
        "default generate(temprature = 0)",
        "default generate(temperature = 0)",
    ),
    "E204": Code(
        "a name is given twice",
        "In one file a name stands for one thing, wherever it was given: by `use`, `model`, "
        "`param`, `let` or `def`. The same holds for the parameters of a `def`, the branches of a "
        "bank and the arguments of a call.",
        "let x = vote()\nlet x = rank()",
        "let x = vote()\nlet y = rank()",
    ),
    "E205": Code(
        "something is made of itself",
        "A `let` or a `def` leads back to itself, or files use each other in a circle. Repetition "
        "is an option of a step, such as the `n` draws of `sample`.",
        "let a = [b, A] -> vote()\nlet b = [a, B] -> vote()\na",
        "let a = [b, A] -> vote()\nlet b = [A, B] -> vote()\na",
    ),
    "E206": Code(
        "too many arguments, or too few",
        "A step, a `def` or a recipe is given more values than it has parameters, or one that it "
        "cannot do without is missing.",
        "def layer(members, judge) = members -> select(judge)\nlayer([A, B])",
        "def layer(members, judge) = members -> select(judge)\nlayer([A, B], C)",
    ),
    "E207": Code(
        "a recipe without an answer",
        "The last statement of a recipe is a bare expression: what it answers with. A file "
        "without one can be used for its names, but not run.",
        'example "What is 17 plus 25?"\nlet fused = token_fuse(A, B)',
        'example "What is 17 plus 25?"\nlet fused = token_fuse(A, B)\nfused',
    ),
    "E208": Code(
        "two answers, or two examples",
        "A recipe has one bare expression, and at most one `example`. What should be tried one "
        "after the other is a chain or a fallback; a line that goes on begins with `->`.",
        "[A, B]\nvote()",
        "[A, B]\n  -> vote()",
    ),
    "E209": Code(
        "a part that does not exist",
        "An option that takes a part of a method (an estimator, a policy, a comparison) is given "
        "a name that no part of this kind has. `compose ls parts` lists them.",
        "[A, B] -> vote(by = rogue)",
        "[A, B] -> vote(by = rouge)",
    ),
    "E210": Code(
        "a backend that does not exist",
        "A model is made by one of the backends: `hf` for a checkpoint, `endpoint` for a server, "
        "`zoo` for the small models of the package, `recorded` for answers kept in a file, `fake` "
        "for tests, and those of installed plugins.",
        'model A = huggingface("org/name")',
        'model A = hf("org/name")',
    ),
    # E3: ports and capabilities.
    "E301": Code(
        "a step is given what it does not take",
        "What flows through a chain is a Query, a Text, Candidates, a Ranking or a Decision, and "
        "each step says which of them it takes. One answer counts as candidates of one, but "
        "several never count as one: a step has to choose.",
        "[A, B] -> cascade(D)",
        "[A, B] -> vote() -> cascade(D)",
    ),
    "E302": Code(
        "a member cannot do what its step needs",
        "Steps need capabilities of their models: a token fuse needs logits, a span fuse needs "
        "scores of a given continuation, a merge needs weights. A server that only returns text "
        "can vote, be routed to and end a cascade, but not be fused token by token.",
        'model E = fake("42")\ntoken_fuse(A, E)',
        'model E = fake("42")\n[A, E] -> vote()',
    ),
    "E303": Code(
        "a model is given an answer instead of a question",
        "A model generates from a query. To ask it about answers that another gave, say how they "
        "are put to it with `prompt(...)`; `regenerate(M)` does both.",
        "[A, B] -> C",
        "[A, B] -> prompt(aggregate) -> C",
    ),
    "E304": Code(
        "nothing chooses among the answers",
        "A recipe ends with several answers where it should give one. Let a step choose one or "
        "make one of them: `vote()`, `rank(...) -> best()`, `regenerate(M)`.",
        "[A, B, C]",
        "[A, B, C] -> vote()",
    ),
    "E305": Code(
        "unlike vocabularies without an alignment",
        "The members of a token fuse give their probabilities over different tokens, so they "
        "cannot be added without saying which token stands for which. Choose an alignment with "
        "`align`, or fuse by pieces of text with `span_fuse`.",
        "token_fuse(A, other)",
        "token_fuse(A, other, align = union)",
    ),
    "E306": Code(
        "unlike models cannot be merged",
        "A merge adds the weights of its members, tensor by tensor, so they need the same shapes "
        "and the same tokenizer: models that were tuned from one base. Fuse unlike models while "
        "they write.",
        "merge(A, D)",
        "token_fuse(A, D)",
    ),
    # E4: values.
    "E401": Code(
        "a value of the wrong type",
        "An option or a `param` is given a value of a type that it does not take, such as a text "
        "for a number. Numbers stand without quotes.",
        'default generate(temperature = "0.7")',
        "default generate(temperature = 0.7)",
    ),
    "E402": Code(
        "a value that is too small, too large, or not one of those allowed",
        "The value has the right type, but lies outside of what the option allows. The message "
        "gives the limits.",
        "default generate(temperature = -1)",
        "default generate(temperature = 0)",
    ),
    "E403": Code(
        "as many weights as members are needed",
        "Fixed weights are given one for each member, in the order of the members.",
        "token_fuse(A, B, weights = [0.5, 0.3, 0.2])",
        "token_fuse(A, B, weights = [0.6, 0.4])",
    ),
    "E404": Code(
        "a setting that the recipe does not have",
        "`--set` takes `name=value` for a `param`, `recipe.name=value` for one of a recipe in "
        "use, `default.step.option=value`, and `model.NAME.option=value`.",
        "compose run r.ens --set doute=0.8",
        "compose run r.ens --set doubt=0.8",
    ),
    "E405": Code(
        "not a rule, or not a formula",
        "A rule, such as what a cascade accepts, compares signals and joins the comparisons with "
        "`and`, `or` and `not`. A formula adds and subtracts models, each perhaps times a number; "
        "a model times a model means nothing.",
        "token_fuse(A * B)",
        "token_fuse(A + 0.6 * (B - A))",
    ),
    "E409": Code(
        "a chat template that cannot be used",
        "What writes a conversation as a model was taught to read it would leave out the question, "
        "what the system says or turns of a conversation; or there are several templates and none "
        "is the default; or it cannot be filled in. `template` names another one, "
        '`template = file("chat.jinja")` a file, `template_args` its variables, and '
        "`fold_system = true` puts what the system says before the first question.",
    ),
    # E5: files.
    "E406": Code(
        "a secret stands in the recipe",
        "A key of a service is written out, so everybody who reads the file, or its history, can "
        "use it. Take it from the environment, and have the service make a new one.",
    ),
    "E407": Code(
        "an option that a model cannot honour",
        "Penalties, `logit_bias` and `min_tokens` change a model's logits, so they need a model "
        "that is run here, or a server that knows them. A `logit_bias` names tokens by an id, "
        "which is another token in another vocabulary, or by a text that is exactly one token.",
        'model E = fake("42")\nE(repetition_penalty = 1.2)',
        "A(repetition_penalty = 1.2)",
    ),
    "E408": Code(
        "a generation_config.json that cannot be heeded",
        "`generation_config = true` asks a model as its folder says. The folder asks for something "
        "that is not done here, such as beams, or it is not on this machine yet. Leave the option "
        "out, and give what you want of it as options of the model or of `generate`.",
    ),
    "E501": Code(
        "a file that is not there",
        "Paths are taken from the file that names them, then from the recipes of the package.",
        'use "zo.ens" (A)',
        'use "zoo.ens" (A)',
    ),
    "E502": Code(
        "a file outside of the project",
        "`use` and templates read only below the project's root, the nearest folder that holds "
        "pyproject.toml or .git, so that a recipe from somewhere else cannot read what is not its "
        "own. `--root` names another root.",
        'use "../outside.ens" (A)',
        'use "zoo.ens" (A)',
    ),
    "E503": Code(
        "a file that cannot be read",
        "Recipes are text in UTF-8. The file is saved otherwise, holds characters that no text "
        "holds, is a folder, or may not be opened.",
    ),
    "E504": Code(
        "data that is not as it should be",
        "A row of a data file has at least a `query` or `messages`, in text. It is an object of "
        "JSON on a line of its own or in a list, or a line of CSV or TSV. The message names the "
        "line and the field: nothing that cannot be read is passed over.",
        '{"questoin": "What is 17 plus 25?"}',
        '{"query": "What is 17 plus 25?"}',
    ),
    "E505": Code(
        "a model's folder cannot be used",
        "A checkpoint needs its configuration, its tokenizer and its weights in one folder. "
        "Something of it is missing, damaged, or of a kind that the backend does not know.",
    ),
    # E6: planning.
    "E506": Code(
        "something has changed since the lock",
        "`compose plan RECIPE --lock` pins what models, tokenizers and data files are by content. "
        "A run beside such a lock refuses whatever differs, and says what. Put back what changed, "
        "or write the lock anew to accept it.",
    ),
    "E507": Code(
        "what was learnt is out of date",
        "`compose fit` keeps what it learnt beside the recipe, with the options of the part, the "
        "names of the choices and the digest of the data. Where one of them has changed since, "
        "what was learnt would mislead, so it is refused. Fit again, or remove the fit.",
    ),
    "E508": Code(
        "what was learnt belongs to another recipe",
        "The fit that lies beside the recipe was made for another one: nothing in it is about the "
        "parts and choices of this recipe. Fit this recipe, or remove the file.",
    ),
    "E509": Code(
        "nothing can be learnt",
        "The recipe has no part that learns, or one that learns has not been taught; or the data "
        "do not say enough: a choice without any outcome, fewer rows than folds, a target that no "
        "setting reaches. The message says which.",
    ),
    "E601": Code(
        "the models do not fit",
        "Together the models of the plan need more memory than the devices have. Use a smaller "
        "type of numbers, fewer models at a time, another device, or a server for the largest.",
    ),
    "E602": Code(
        "a device that is not there",
        "A model asks for a device that this machine does not have. `device = auto` takes what "
        "there is; `compose doctor` lists the devices.",
        'model A = hf("org/name", device = cuda)',
        'model A = hf("org/name", device = auto)',
    ),
    # E7: running.
    "E701": Code(
        "a member failed",
        "A model raised an error or a server refused, and no fallback stood by. `A | B` asks B "
        "when A fails.",
        "A",
        "A | B",
    ),
    "E702": Code(
        "a member took too long",
        "A model, a step or a query took longer than its `timeout` says, in seconds, or a backend "
        "gave up waiting for its model. What ran was cancelled. Loading a model does not count, "
        "waiting for others does. Give it more time, ask for fewer tokens, or add a fallback.",
        "A(timeout = 0.5)",
        "A(timeout = 30) | B",
    ),
    "E703": Code(
        "a text is longer than the model can read",
        "The prompt and the answer together exceed the model's context. Shorten what `prompt` "
        "puts in, or ask for fewer tokens.",
    ),
    "E704": Code(
        "a model gave numbers that are none",
        "Among the logits, or the scores that decide, was a value that is not a number. A score "
        "that is NaN or infinite is no score and never wins: a ranking puts it last and a rule "
        "cannot know it; where nothing else is left, that is this mistake. Weights that overflow "
        "their type do this: try `dtype = bf16` or `dtype = float32`, and check merged weights.",
    ),
    "E716": Code(
        "too few branches answered",
        "Where branches of a bank fail, the others go on as long as they are more than half, or as "
        "many as `default bank(min = ...)` says: a number, or `all`. The message names each branch "
        "that failed, and why. A cascade fails where every attempt does.",
        "default bank(min = all)\n[A, B] -> vote()",
        "default bank(min = 1)\n([A, B] -> vote()) | D",
    ),
    "E705": Code(
        "nothing to choose from",
        "Every member failed or abstained, so a vote or a ranking had nothing before it; or the "
        "members of a fuse rule out each other's every next token, as minima and formulas can.",
    ),
    "E706": Code(
        "the output belongs to another recipe",
        "A run that is taken up again continues the file it wrote, but this file was written by "
        "another recipe, other settings or other queries. Name another file, or delete this one.",
    ),
    "E707": Code(
        "an ensemble that is closed",
        "What held the models has been closed, so nothing can be asked of it any more. Make the "
        "recipe ready again, or ask inside of its `with` block. A process that was forked off has "
        "none of the threads that answer: make the recipe ready in each process.",
    ),
    "E709": Code(
        "the budget is spent",
        "A run with `--budget` lets a call through only if its worst case, every byte of the "
        "prompt a token and `max_tokens` written, still fits beside what was spent and what is "
        "under way. What was answered before is kept; a second call with the same `--output` "
        "goes on from there.",
    ),
    "E711": Code(
        "bytes that a member cannot write",
        "The text goes on with bytes for which a member's tokenizer has no tokens: it lacks some "
        "bytes, or some characters and the bytes to write them with. Leave that member out, or "
        "take a model whose tokenizer has every byte.",
    ),
    "E708": Code(
        "a template cannot be rendered",
        "A template asks for a value that the step before it does not give, or is not rightly "
        "written in the language of templates, Jinja2. The message says which.",
    ),
    "E712": Code(
        "an evaluation that cannot be made",
        "Deciding without answering needs a route that reads nothing but the question, as in "
        "`route(by = ...) -> [A, B]`; a recipe without one, or one that routes what was answered "
        "before, has to answer. A plot of quality over cost needs recorded costs, prices, or two "
        "choices of which one is the stronger.",
    ),
    "E714": Code(
        "an output that another run writes to",
        "Two runs that write to one file would lose each other's answers, so the second one is "
        "refused. A run that was killed keeps nobody out.",
    ),
    "E715": Code(
        "a bound of the cache that is no size",
        "COMPOSE_CACHE_SIZE bounds the answers that are kept on disk, COMPOSE_MERGED_SIZE the "
        "merged models; what was used longest ago is dropped first. Each is a number with a unit, "
        "such as `500 MB` or `2 GB`; 0 keeps nothing.",
    ),
    # W: warnings.
    "W201": Code(
        "a name that nothing uses",
        "A model, a `let`, a `param` or a `def` is declared and does nothing for the answer. It "
        "is neither loaded nor run.",
    ),
    "W202": Code(
        "a file without an answer",
        "The file declares names and answers nothing. That is right for a file that others take "
        "names from with `use`; to run it, end it with a bare expression.",
    ),
    "W301": Code(
        "a confidence that cannot be known",
        "A rule asks for the confidence of an answer, but the member that gives it does not "
        "return log-probabilities. Accept by agreement or by a judge instead.",
        'model E = fake("42")\nE -> cascade(D, accept = confidence >= 0.6)',
        'model E = fake("42")\n[A, B, E] -> vote() -> cascade(D, accept = agreement >= 0.6)',
    ),
    "W302": Code(
        "a route with nothing to decide",
        "A route decides among the branches of the bank that it feeds, or weighs the members of "
        "the one fuse that it feeds. Given one other branch it always takes that. A `|` binds "
        "closer than `->`, so `route -> [A, B] | C` feeds the route one fallback: put brackets "
        "around the route and its bank.",
        "route -> [A]",
        "route -> [A, B]",
    ),
    "W701": Code(
        "queries unlike what was learnt from",
        "A route was fitted on other queries than those it is asked: more of them than chance "
        "allows lie further from the rows that it learnt from than nearly all of those rows lie "
        "from each other. A learnt router can fall below chance there, so its estimates lean on a "
        "safe prior, the length and shape of the query. Fit on queries like these.",
    ),
    "W710": Code(
        "answers are not kept",
        "The file in which answers are kept from run to run cannot be opened, read or written: the "
        "disk is full, the file is damaged, another process has locked it, or nobody may write "
        "there. No answer is lost: the run goes on without it. The file holds nothing but copies, "
        "so removing it is safe; XDG_CACHE_HOME names another folder, `--no-cache` does without.",
    ),
    "W402": Code(
        "a generation_config.json that is not used",
        "The folder of a model says how it is to be asked: how tokens are drawn, a penalty, a "
        "length. Recipes say that themselves, so it is not used, and answers differ from those of "
        "`generate` in transformers. `generation_config = true` on the model takes it, where the "
        "recipe says nothing else; `generation_config = false` says that it is not wanted.",
    ),
    "W403": Code(
        "draws that a model asks for and does not get",
        "`generation_config = true` asks a model as its folder says. How tokens are drawn and how "
        "many there are belongs to an answer that the model writes alone: in a fuse, or where a "
        "step asks it something of its own, the options of that step hold. Penalties and forbidden "
        "tokens are the model's own and hold everywhere.",
    ),
    "W702": Code(
        "answers without some branches",
        "Branches failed or took too long, and the others went on without them. The answers stand "
        "and are worth less than whole ones: `--json` and `--trace` say which branch failed, and "
        "why. `default bank(min = all)` lets no answer stand that lacks a branch.",
    ),
    "W404": Code(
        "a chat template that leaves something out",
        "The template was tried with texts of our own: what the system says, or some turns of a "
        "conversation, do not reach the model. A question that has them is refused (E409). Choose "
        "another template, or say `fold_system = true`.",
    ),
    "W501": Code(
        "a check that has to wait",
        "What a model can do is only known once it is downloaded or asked, so the checks that "
        "depend on it are made when the recipe is made ready.",
    ),
    "W508": Code(
        "something in the data that is not asked",
        "Rows hold more than a recipe reads: parts of messages that are no text, such as images, "
        "or options of a batch request, such as its model and its temperature. The text is asked; "
        "the options are the recipe's own.",
    ),
}
"""Each code with its title, a paragraph, and an example broken and mended."""
