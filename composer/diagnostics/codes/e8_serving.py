"""E8: serving."""

from composer.diagnostics.codes.code import Code

CODES = {
    "E801": Code(
        "a request that cannot be read",
        "The body of a request is not JSON, lacks a field, has one that the protocol does not "
        "have, or a value of the wrong type or outside of its range. `param` names the field, and "
        "the message what may stand there.",
    ),
    "E802": Code(
        "a model that is not served",
        "The `model` of a request is none of those that this server has. `GET /v1/models` lists "
        "them: a recipe is named by its file, without its ending.",
    ),
    "E803": Code(
        "a missing or wrong key",
        "The server was started with a key, so that each request needs the header "
        "`Authorization: Bearer KEY` with that key.",
    ),
    "E804": Code(
        "a request that is too large",
        "The body of a request has more bytes, or its prompts have more tokens, than this server "
        "takes. Send less, or start the server with a higher limit.",
    ),
    "E805": Code(
        "the server has too much to do",
        "As many requests run and wait as this server takes at a time. Send the request again "
        "after the seconds that the header `Retry-After` gives.",
    ),
    "E806": Code(
        "the server is stopping",
        "The server was told to stop: it finishes what it has begun and takes nothing new. Send "
        "the request again once it runs, or to another server.",
    ),
    "E807": Code(
        "an option that is not honoured here",
        "The protocol has this option, but this server or this recipe cannot do what it asks, and "
        "no option is ignored that would change the answer. Leave it out, or ask another model.",
    ),
    "E808": Code(
        "an address that is not here",
        "The server has nothing at this address, or takes it with another method. "
        "`GET /openapi.json` lists all addresses.",
    ),
    "E809": Code(
        "a mistake of the server itself",
        "Something went wrong in the server that neither the request nor a model explains. The "
        "server's log has the place. Please report it.",
    ),
    "E810": Code(
        "an address that cannot be listened at",
        "`compose serve` listens at `--host` and `--port`. Another program listens there already, "
        "this machine has no such address, or the port is one that only an administrator may use. "
        "`--port 0` takes a free port and says which one.",
    ),
    "E811": Code(
        "a trace that is gone",
        "A server keeps the traces of the last questions in its memory, so that the page can show "
        "them again. This one is older, was too large, or is from before the server was started. "
        "Ask the question again, or save the trace in time: the page writes it to a file.",
    ),
}
