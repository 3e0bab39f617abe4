import pytest
from served_app import registry_of, serving

from composer.serve.app import create_app
from composer.serve.settings import Settings

FUSE = 'model A = zoo("maths")\nmodel B = zoo("text")\ntoken_fuse(A, B)'
VOTE = 'model A = zoo("maths")\nmodel B = zoo("text")\n[A, B] -> vote()'


@pytest.fixture(scope="session")
def models():
    """The models of a server: one alone, a fuse, a vote, and a vote of unlike tokenizers."""
    recipes = {"alone": 'model A = zoo("maths")\nA', "fuse": FUSE, "vote": VOTE}
    mixed = 'model A = zoo("maths")\nmodel O = zoo("other")\n[A, O] -> vote()'
    with registry_of(**recipes, mixed=mixed) as registry:
        yield registry


@pytest.fixture(scope="session")
def app(models):
    return create_app(models, Settings())


@pytest.fixture(scope="session")
def address(app):
    """The address of a real server, without `/v1`."""
    with serving(app) as url:
        yield url


@pytest.fixture(scope="session")
def client(address):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client
