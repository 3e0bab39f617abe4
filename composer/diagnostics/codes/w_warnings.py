"""W: warnings."""

from composer.diagnostics.codes.code import Code

CODES = {
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
    "W303": Code(
        "condition that is always the same",
        "A confidence, an agreement and other shares are between 0 and 1, a log-probability is at "
        "most 0. With this threshold the condition holds for every answer, or for none, so the "
        "cascade decides nothing.",
        "cascade(A, D, accept = confidence >= 1.5)",
        "cascade(A, D, accept = confidence >= 0.7)",
    ),
    "W304": Code(
        "step that changes nothing",
        "A vote over one answer, a fuse of one member and `several` with as many or more than all "
        "branches give what would be there without them. So do a draft that a cascade carries to "
        "models behind servers, and a filter of a span fuse with too few members. Often a branch "
        "is missing.",
        "route -> [A, B] -> vote()",
        "route(policy = several(k = 2)) -> [A, B, D] -> vote()",
    ),
    "W305": Code(
        "members that do not descend from one model",
        "`compose plan` compares a sample of the members' weights. The cosine is near 1 for models "
        "that were tuned from one base, and near 0 for models that were trained from two random "
        "starts. The same number has another meaning in each of such models, so a mean of their "
        "weights is of no use, though it can be built. Fuse such models while they write.",
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
        "Rows contain more than a recipe reads: calls of tools in messages. No model is told of "
        "them.",
    ),
    "W515": Code(
        "adapter of another base",
        "The files of the adapter name another base than the recipe. The shapes of both are the "
        "same, so the answers may be right, or wrong without an error. If the recipe names a copy "
        "of the same base, nothing is wrong.",
    ),
    "W701": Code(
        "queries that are unlike the fitted data",
        "The queries of this run, taken together, are more unusual than rows that the fit left "
        "out (a false alarm: in at most 5 % of runs). Only queries like the data are estimated "
        "well, so a fitted route can be worse than a simple rule here. Record the outcomes of such "
        "queries, add these rows to the data, and fit again with the command of the warning. "
        "`compose eval` says the same in its report.",
    ),
    "W702": Code(
        "answers without some branches",
        "Some branches failed or took too long, and the answers were made without them. Such "
        "answers may be worse. `--json` and `--trace` show which branch failed, and why. With "
        "`default bank(min = all)` such a query fails instead.",
    ),
    "W703": Code(
        "server that cannot be asked",
        "Before a run, servers of which nothing is known are asked what they give. This one cannot "
        "be reached, does not reply, or the budget is too small for the few requests. The run goes "
        "on: other models may answer, and the server may come back. What it gives is presumed, so "
        "some mistakes of the recipe are not found yet. Where no server of a recipe can be "
        "reached, and it has no other model, it is not run.",
    ),
    "W704": Code(
        "replica that died",
        "On a cluster, a replica died or could not be started. What it was asked is put to others, "
        "and another replica is started where there is room. No answer is lost. If it happens "
        "often, look at the memory of the node.",
    ),
    "W710": Code(
        "answers are not kept",
        "The file that keeps answers between runs cannot be opened, read or written: the disk is "
        "full, the file is damaged, another process has locked it, or you have no permission. No "
        "answer is lost, and the run continues without the file. The file contains only copies, so "
        "you may delete it. XDG_CACHE_HOME sets another folder; `--no-cache` keeps nothing.",
    ),
}
