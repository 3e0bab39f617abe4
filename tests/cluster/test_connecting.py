"""What is wrong with a cluster is told before anything starts, in our own words."""

import socket
import sys
from importlib.util import find_spec

import pytest

from composer.cluster import Cluster
from composer.run import Failure


@pytest.fixture
def imported(monkeypatch):
    """Ray, as a module that must not be used."""

    class NotUsed:
        is_initialized = staticmethod(lambda: False)

    monkeypatch.setitem(sys.modules, "ray", NotUsed())


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Failure, match="Ray is not installed") as caught:
        Cluster.connect("local")
    assert (caught.value.code, caught.value.help) == (
        "E735",
        "pip install 'ensemble-composer[ray]'",
    )


def test_where_nothing_listens_that_is_said_at_once(imported):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(Failure, match=f"no Ray cluster answers at {address}") as caught:
            Cluster.connect(address)
    assert caught.value.code == "E731"
    assert "ray start --head" in caught.value.help


@pytest.mark.parametrize("address", ["", "lokal", "ray://host", "host:port"])
def test_what_is_no_address_is_told(imported, address):
    with pytest.raises(Failure, match=f"`{address}` is no address of a Ray cluster") as caught:
        Cluster.connect(address)
    assert caught.value.code == "E731"
    assert "`local`" in caught.value.help


@pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra `ray`")
def test_where_something_else_than_ray_listens_it_is_given_up_in_time(imported):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Failure, match=r"within 0\.5 s") as caught:
            Cluster.connect(address, within=0.5)
    assert caught.value.code == "E731"
