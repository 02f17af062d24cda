// A leaky bucket in Lua over many queues: HOST PORT QUEUES SECONDS RATE. Half of the calls declare their keys, the others
// build them from what they are given. Nobody gets more than a bucket allows, and the last line has the P99 in ms.
'use strict';

const Redis = require('ioredis');
const assert = require('assert');

const [host, port, queues, seconds, rate] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const CAPACITY = 10;
const LEAK_PER_SECOND = 5;
const CONNECTIONS = 20;

setTimeout(() => {
  console.error('the limiter did not end in time');
  process.exit(1);
}, 1000 * (seconds + 60)).unref();

const body = (bucket, total) => `
  local now = redis.call('TIME')
  local at = now[1] * 1000 + math.floor(now[2] / 1000)
  local state = redis.call('HMGET', ${bucket}, 'level', 'at')
  local level = tonumber(state[1]) or 0
  local before = tonumber(state[2]) or at
  level = math.max(0, level - (at - before) * ${LEAK_PER_SECOND} / 1000)
  local allowed = 0
  if level + 1 <= ${CAPACITY} then
    level = level + 1
    allowed = 1
    redis.call('INCR', ${total})
  end
  redis.call('HSET', ${bucket}, 'level', tostring(level), 'at', at)
  redis.call('PEXPIRE', ${bucket}, 60000)
  return {allowed, tostring(level)}`;

function connect() {
  const client = new Redis({ host, port });
  client.defineCommand('declared', { numberOfKeys: 2, lua: body('KEYS[1]', 'KEYS[2]') });
  client.defineCommand('undeclared', { numberOfKeys: 0, lua: body("'bucket:'..ARGV[1]", "'total:'..ARGV[1]") });
  return client;
}

async function main() {
  const clients = Array.from({ length: CONNECTIONS }, connect);
  await clients[0].flushall();
  const allowed = new Array(queues).fill(0);
  const times = [];
  let [calls, waiting] = [0, 0];
  const began = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - began) / 1e9;

  async function call(number) {
    const client = clients[number % CONNECTIONS];
    const queue = Math.floor(Math.random() * queues);
    const sent = process.hrtime.bigint();
    waiting += 1;
    const [ok, level] = number % 2
      ? await client.declared(`bucket:${queue}`, `total:${queue}`)
      : await client.undeclared(queue);
    waiting -= 1;
    times.push(Number(process.hrtime.bigint() - sent) / 1e6);
    allowed[queue] += ok;
    assert(Number(level) <= CAPACITY, `a bucket holds ${level}`);
  }

  const pending = [];
  while (elapsed() < seconds) {
    const due = Math.floor(elapsed() * rate);
    // A server that is behind is not buried.
    while (calls < due && waiting < 2000) pending.push(call(calls++));
    await new Promise((next) => setTimeout(next, 1));
  }
  await Promise.all(pending);
  const ran = elapsed();
  const most = CAPACITY + LEAK_PER_SECOND * ran + 1;
  for (let queue = 0; queue < queues; queue += 1) {
    assert(allowed[queue] <= most, `queue ${queue} was allowed ${allowed[queue]} of at most ${most}`);
    const total = Number(await clients[0].get(`total:${queue}`));
    assert.strictEqual(total, allowed[queue], `queue ${queue}: counted ${total}, allowed ${allowed[queue]}`);
  }
  // One queue that is asked more than it may is held back.
  const burst = await Promise.all(Array.from({ length: 200 }, (_, number) =>
    number % 2 ? clients[number % CONNECTIONS].declared('bucket:burst', 'total:burst') : clients[number % CONNECTIONS].undeclared('burst')));
  const passed = burst.reduce((sum, [ok]) => sum + ok, 0);
  assert(passed >= CAPACITY && passed < 50, `a burst of 200 passed ${passed} times`);

  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  await Promise.all(clients.map((client) => client.quit()));
  console.log(`${times.length} calls over ${queues} queues, ${(times.length / ran).toFixed(0)}/s, P50 ${at(0.5).toFixed(2)} ms, P99 ${at(0.99).toFixed(2)} ms`);
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
