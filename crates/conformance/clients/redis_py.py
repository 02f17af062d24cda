"""redis-py against a server: HOST PORT CLUSTER_PORT KEYS.

With cluster port 0 the standalone face is tried in both protocols; else RedisCluster writes and reads KEYS keys.
The last line says what was done; any surprise is an exception and a bad exit code.
"""
import sys
import threading

import redis


def standalone(host, port):
    for protocol in (2, 3):
        r = redis.Redis(host=host, port=port, protocol=protocol, decode_responses=True)
        r.flushall()
        assert r.set("py:k", "v", ex=100) is True
        assert r.get("py:k") == "v"
        assert 98 <= r.ttl("py:k") <= 100
        assert r.set("py:k", "w", nx=True) is None
        assert r.getex("py:k", persist=True) == "v" and r.ttl("py:k") == -1
        assert r.incrbyfloat("py:f", "0.5") == 0.5
        pipe = r.pipeline(transaction=False)
        for i in range(5000):
            pipe.set(f"py:{i}", i).incr(f"py:{i}")
        replies = pipe.execute()
        assert replies[1::2] == list(range(1, 5001))
        assert len(set(r.scan_iter("py:*", count=100))) == 5002
        assert r.mget("py:1", "py:nothing", "py:2") == ["2", None, "3"]
        try:
            r.incr("py:k")
            raise AssertionError("INCR of a word worked")
        except redis.ResponseError as error:
            assert "not an integer" in str(error)
        assert r.config_get("maxmemory-policy")["maxmemory-policy"]
        assert r.info()["redis_version"]
        assert r.client_list()[0]["addr"]
        assert r.command_count() > 0 and "get" in r.command()
        workers = [threading.Thread(target=lambda: [r.incr("py:shared") for _ in range(200)]) for _ in range(8)]
        [w.start() for w in workers]
        [w.join() for w in workers]
        assert r.get("py:shared") == "1600"
        r.close()
    print("(standalone in RESP2 and RESP3)")


def cluster(host, port, keys):
    r = redis.RedisCluster(host=host, port=port, decode_responses=True)
    nodes = r.get_nodes()
    batch = 500
    for start in range(0, keys, batch):
        pipe = r.pipeline()
        for i in range(start, min(start + batch, keys)):
            pipe.set(f"pyc:{i}", i)
        assert all(pipe.execute())
    for start in range(0, keys, batch):
        pipe = r.pipeline()
        numbers = range(start, min(start + batch, keys))
        for i in numbers:
            pipe.get(f"pyc:{i}")
        assert pipe.execute() == [str(i) for i in numbers]
    for i in range(0, keys, max(1, keys // 2000)):
        assert r.get(f"pyc:{i}") == str(i)
    r.close()
    print(f"({keys} keys through RedisCluster, {len(nodes)} nodes)")


if __name__ == "__main__":
    host, port, cluster_port, keys = sys.argv[1], *map(int, sys.argv[2:5])
    if cluster_port:
        cluster(host, cluster_port, keys)
    else:
        standalone(host, port)
