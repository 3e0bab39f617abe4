"""The description of the API says what is so."""

from asgi import call


def test_every_error_of_every_route_has_the_one_shape(app):
    description = call(app, "GET", "/openapi.json").json()
    shape = {"$ref": "#/components/schemas/ErrorReply"}
    for path, verbs in description["paths"].items():
        for verb, facts in verbs.items():
            errors = {s: each for s, each in facts["responses"].items() if not s.startswith("2")}
            assert "422" not in errors, (verb, path)
            assert errors["default"]["content"]["application/json"]["schema"] == shape, path
    assert "HTTPValidationError" not in description["components"]["schemas"]


def test_the_bodies_have_their_bounds_and_no_other_fields(app):
    schemas = call(app, "GET", "/openapi.json").json()["components"]["schemas"]
    for name in ("ChatBody", "CompletionBody"):
        body = schemas[name]
        assert body["additionalProperties"] is False
        assert "model" in body["required"]
        temperature = body["properties"]["temperature"]["anyOf"][0]
        assert (temperature["minimum"], temperature["maximum"]) == (0, 2)
        assert body["properties"]["tools"]["enum"] == [None, []]
    assert "messages" in schemas["ChatBody"]["required"]
