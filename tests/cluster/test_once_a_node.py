"""What must be built before it is loaded is built by one replica of a node; the others wait."""

import asyncio

import composer
from composer.cluster.replica import Replica
from composer.cluster.wire import Setup, pack, unpack
from composer.compiler.plan.pools import pools_of
from composer.engine.weights import building

MERGE = 'use "zoo.ens" (tune_maths, tune_text)\nmerge(tune_maths, tune_text)'


def test_two_replicas_build_a_merge_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built, build = [], building._build
    monkeypatch.setattr(building, "_build", lambda *given: [built.append(given), build(*given)])
    (pool,) = pools_of(composer.load(MERGE).optimized.root)
    setup = pack(Setup(pool.models, {}))

    async def load_both():
        replicas = Replica(), Replica()
        hellos = await asyncio.gather(*(replica.load(setup) for replica in replicas))
        for replica in replicas:
            await replica.close()
        return [unpack(hello).error for hello in hellos]

    assert asyncio.run(load_both()) == [None, None]
    assert len(built) == 1
