"""E3: ports and capabilities."""

from composer.diagnostics.codes.code import Code

CODES = {
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
    "E307": Code(
        "members of a fuse on different machines",
        "Models that write one answer together are in one pool of a cluster: each replica of it "
        "has all of them, on one machine. For each token a fuse needs every member, and a message "
        "from one machine to another takes longer than many models need for a token. So members "
        "that give `resources` must give the same ones. Models on different machines can give "
        "whole answers.",
        'model M = zoo("general-1", resources = [big: 1])\n'
        'model N = zoo("general-2", resources = [fast: 1])\ntoken_fuse(M, N)',
        'model M = zoo("general-1", resources = [big: 1])\n'
        'model N = zoo("general-2", resources = [fast: 1])\n[M, N] -> vote()',
    ),
}
