"""E7: running."""

from composer.diagnostics.codes.code import Code

CODES = {
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
        "another recipe, other settings or other queries. The message says what has changed, if "
        "the hidden file `.NAME.recipe` is still beside it. Give another file, or delete this one.",
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
        "the budget: every byte of the prompt counts as a token, an image as 65,536, another part "
        "that is no text as that and its bytes, and `max_tokens` are written. "
        "Calls that are still running count too, and so does one that broke off or was cancelled, "
        "since nobody knows its bill. Finished answers are kept; a second call with the same "
        "`--output` continues.",
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
        "setting in the environment that is not valid",
        "COMPOSE_CACHE_SIZE limits the answers kept on disk, COMPOSE_MERGED_SIZE the merged "
        "models; the least recently used are removed first. Give a number with a unit, such as "
        "`500 MB` or `2 GB`. 0 keeps nothing. COMPOSE_STATIC says where steps have fixed shapes: "
        "`gpus`, `everywhere` or `nowhere`.",
    ),
    "E716": Code(
        "too few branches answered",
        "If branches of a bank fail, the bank continues as long as more than half of them answer, "
        "or as many as `default bank(min = ...)` requires: a number, or `all`. A cascade fails if "
        "every attempt fails. The message names each failed branch and the reason.",
        "default bank(min = all)\n[A, B] -> vote()",
        "default bank(min = 1)\n([A, B] -> vote()) | D",
    ),
    "E717": Code(
        "no certificate can be made",
        "`--certify` bounds what selecting among the members' answers can gain over the best "
        "member. It needs two or more members that answer the question itself, and rows where the "
        "answer of each is graded right or wrong. Grades that are scores need `--threshold`, from "
        "which score on an answer is right: `--threshold 0.8`.",
    ),
    "E718": Code(
        "file that cannot be written",
        "The disk is full, the folder does not exist, you may not write there, or a file of this "
        "name exists already and would be lost. What was written before is kept.",
    ),
    "E719": Code(
        "nothing to tune by",
        "`compose tune` tries values on one part of the rows and judges the best of them on the "
        "other part. Each part needs two or more rows, and answers that can be graded: a "
        "`reference`, or a recorded `correct`. A metric with `cost` needs the cost of every "
        "answer.",
    ),
    "E720": Code(
        "answer that does not follow its schema",
        "With `schema`, a model must answer with JSON that follows a JSON Schema. The server was "
        "told so, but this answer is another text, is cut off, or breaks a rule of the schema. It "
        "counts as failed: in a bank the other branches go on, and `A | B` asks B.",
    ),
    "E721": Code(
        "an ensemble that asks itself",
        "A served ensemble has a member behind its own server, or behind another ensemble that "
        "asks it in turn, so its requests would never end. Requests name the ensembles that they "
        "came through; the first one that comes back is refused, and so is one that came through "
        "too many. Give the member the address of another server.",
    ),
    "E722": Code(
        "a model that reads only text",
        "A message of the row has a content part that is no text, such as an image, and this model "
        "cannot take it: models on this machine and models asked by completions read only text. "
        "Ask a model behind a chat API. A model whose prompt leaves out `{{ query }}` does not "
        "need the parts of the question.",
    ),
    "E723": Code(
        "a server's reply that is no answer",
        "A server answered, but not in the form of OpenAI's protocol: with a page instead of JSON, "
        "without choices or a finish reason, with a stream that was cut off, with numbers that are "
        "none. Or it ended the answer by a content filter or with the call of a tool. The message "
        "says what came. The request was put again, as often as `retries` says, where that may "
        "help. Look at the `url`, at the log of the server and at a proxy before it.",
    ),
    "E724": Code(
        "a sandbox that this system cannot hold",
        "Programs that models wrote run in a process of their own, without network, in an empty "
        "folder, with limits on time, memory, processes, files and output. Some systems cannot "
        "hold all of this: a container that forbids user namespaces, macOS, Windows. Nothing is "
        "run then, unless the recipe names what it gives up, as in "
        '`sandbox = limits(allow = ["network"])`. `compose doctor` says what this system can hold. '
        "Linux 5.14 or later with user namespaces holds everything.",
    ),
    "E725": Code(
        "a limit of calls that is reached",
        "A step such as `rounds` or `debate` makes no more calls than its option `calls` says, "
        "counting those that are put again after a failure. A call that would be one too many is "
        "not made and counts as failed, so the step goes on with the answers that it has. Kept "
        "answers do not count. Raise `calls`, or let the step ask less often.",
    ),
    "E726": Code(
        "too many items for an exact order",
        "`kemeny()` looks for the order of items with which all lists together disagree least, "
        "and the time for that doubles with each item. Lists with more than twelve different items "
        "are joined by `borda()` or `reciprocal()`.",
    ),
    "E727": Code(
        "rows on which a model was searched",
        "The coefficients of a merge, or the layers of a stack, were searched on some of these "
        "rows, so figures on them would be too good. The fit has a digest of each question, so "
        "this is found wherever the rows lie. Evaluate on other rows. `compose eval --fitted-rows` "
        "measures on them all the same.",
    ),
    "E730": Code(
        "no memory left for an answer",
        "A device ran out of memory while answers were written. Rows of the pass were read again "
        "in smaller passes, and what ended answers had left in memory was given up; this row did "
        "not fit alone. The other answers went on, and those that were done are kept. Answer fewer "
        "questions at once (`compose serve --concurrency`), shorten the prompt or `max_tokens`, "
        "use a smaller `dtype`, or spread the model over more devices.",
    ),
    "E731": Code(
        "no cluster answers",
        "`--ray ADDRESS` joins the Ray cluster whose head answers there. Nobody did, or something "
        "else than Ray. `ray start --head` starts a head and prints its address, `ray status` "
        "shows whether it runs. A firewall may be in between. `--ray local` starts a cluster of "
        "this machine alone.",
    ),
    "E732": Code(
        "machines that are not the same",
        "A replica must give the answers that this process would give. So its machine needs the "
        "same versions of Python, ensemble-composer, torch and transformers, and the same models. "
        "If the recipe has a lock, the files of the models must be equal byte by byte; else their "
        "sizes and tokenizers. The message says what differs. No replica of other versions is "
        "asked.",
    ),
    "E733": Code(
        "no replica can be had",
        "No node of the cluster had room for a replica in time, or replicas die while they load "
        "their models, for example because the node has too little memory. Requests that need one "
        "fail. Answers that are done are kept; a second call with the same `--output` continues.",
    ),
    "E734": Code(
        "question that ends replicas",
        "A request is put again where the replica that answered it dies. This one was under way at "
        "two deaths, alone at the second; or at four, of which no other request can be the cause. "
        "So it is left out: it would end one replica after the other. Often it needs more memory "
        "than there is. All other queries go on.",
    ),
    "E735": Code(
        "library for clusters that is not installed",
        "`--ray` runs the models of a recipe on a cluster, through Ray. Install the extra `ray`: "
        "`pip install 'ensemble-composer[ray]'`, on all machines.",
    ),
}
