// ioredis against a server: HOST PORT CLUSTER_PORT KEYS.
//
// With cluster port 0 the standalone face is tried; else Cluster writes and reads KEYS keys. The last line says what was
// done; any surprise is a bad exit code.
const assert = require("node:assert");
const Redis = require("ioredis");

const [host, port, clusterPort, keys] = [process.argv[2], ...process.argv.slice(3, 6).map(Number)];

async function standalone() {
  const r = new Redis({ host, port });
  await r.flushall();
  assert.equal(await r.set("io:k", "v", "EX", 100), "OK");
  assert.equal(await r.get("io:k"), "v");
  const ttl = await r.ttl("io:k");
  assert.ok(ttl >= 98 && ttl <= 100, `TTL ${ttl}`);
  assert.equal(await r.set("io:k", "w", "NX"), null);
  const pipeline = r.pipeline();
  for (let i = 0; i < 5000; i++) pipeline.set(`io:${i}`, i).incr(`io:${i}`);
  const replies = await pipeline.exec();
  replies.forEach(([error, value], i) => {
    assert.equal(error, null);
    if (i % 2) assert.equal(value, (i - 1) / 2 + 1);
  });
  const found = new Set();
  for await (const page of r.scanStream({ match: "io:*", count: 100 })) page.forEach((key) => found.add(key));
  assert.equal(found.size, 5001);
  await assert.rejects(r.incr("io:k"), /not an integer/);
  await Promise.all(Array.from({ length: 1000 }, () => r.incr("io:shared")));
  assert.equal(await r.get("io:shared"), "1000");
  await r.quit();
  return "(standalone)";
}

async function cluster() {
  const c = new Redis.Cluster([{ host, port: clusterPort }], { redisOptions: { connectTimeout: 5000 }, clusterRetryStrategy: () => null });
  const batch = 500;
  for (let start = 0; start < keys; start += batch) {
    const writes = [];
    for (let i = start; i < Math.min(start + batch, keys); i++) writes.push(c.set(`ioc:${i}`, i));
    (await Promise.all(writes)).forEach((reply) => assert.equal(reply, "OK"));
  }
  for (let start = 0; start < keys; start += batch) {
    const reads = [];
    for (let i = start; i < Math.min(start + batch, keys); i++) reads.push(c.get(`ioc:${i}`));
    (await Promise.all(reads)).forEach((value, i) => assert.equal(value, String(start + i)));
  }
  const nodes = c.nodes("master").length;
  await c.quit();
  return `(${keys} keys through Cluster, ${nodes} nodes)`;
}

(clusterPort ? cluster() : standalone()).then(
  (said) => {
    console.log(said);
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
