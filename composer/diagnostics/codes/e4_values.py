"""E4: values."""

from composer.diagnostics.codes.code import Code

CODES = {
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
        "by its id, which only holds for one vocabulary, or by a text that is exactly one token. "
        "Only a server can hold an answer to a `schema`. Only a model whose weights this project "
        "loads has copies on a cluster: `replicas`, `cpus`, `gpus` and `resources`.",
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
    "E410": Code(
        "option of a query that the recipe cannot honour",
        "A caller may set options for one query, such as a temperature. They hold for each step "
        "whose text may be the answer. One of these steps has no such option, or the answer is no "
        "text that a model wrote. Leave the option out, or ask a recipe whose answer a model "
        "writes as it is.",
    ),
    "E411": Code(
        "different numbers of replicas in one pool",
        "On a cluster, models that write one answer together, or that share their weights, are in "
        "one pool. Each replica of the pool has all of them, so there is one number of replicas. "
        "Give it to one of the models, or the same to all.",
        'model M = zoo("general-1", replicas = 2)\n'
        'model N = zoo("general-2", replicas = 3)\ntoken_fuse(M, N)',
        'model M = zoo("general-1", replicas = 2)\nmodel N = zoo("general-2")\ntoken_fuse(M, N)',
    ),
}
