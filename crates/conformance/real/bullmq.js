// Jobs through BullMQ: HOST PORT JOBS. Every job must be done once, whatever kind it is.
'use strict';

const { FlowProducer, Queue, QueueEvents, Worker } = require('bullmq');
const assert = require('assert');

const [host, port, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const connection = { host, port, maxRetriesPerRequest: null };
const name = `jobs-${process.pid}`;

setTimeout(() => {
  console.error('BullMQ did not end in time');
  process.exit(1);
}, 120_000).unref();

// How often each job was begun, by its id.
const begun = new Map();
const order = [];

async function work(job) {
  begun.set(job.id, (begun.get(job.id) || 0) + 1);
  if (job.name === 'prioritised') order.push(job.data.rank);
  if (job.name === 'flaky' && job.attemptsMade === 0) throw new Error('the first attempt fails');
  if (job.name === 'hopeless') throw new Error('every attempt fails');
  if (job.name === 'parent') {
    const children = Object.values(await job.getChildrenValues());
    return children.reduce((sum, value) => sum + value, 0);
  }
  await job.updateProgress(50);
  return (job.data.number || 0) * 2;
}

async function prioritised(queue) {
  // A queue that is paused collects them first, so that the order is theirs and not that of their coming.
  await queue.pause();
  for (const rank of [5, 1, 4, 2, 3]) await queue.add('prioritised', { rank }, { priority: rank });
  const one = new Worker(queue.name, work, { connection, concurrency: 1 });
  await queue.resume();
  while (order.length < 5) await new Promise((done) => setTimeout(done, 10));
  await one.close();
  assert.deepStrictEqual(order, [1, 2, 3, 4, 5], 'jobs with a priority come in its order');
}

async function main() {
  const started = process.hrtime.bigint();
  const queue = new Queue(name, { connection });
  const events = new QueueEvents(name, { connection });
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  await prioritised(queue);

  const workers = [0, 1, 2].map(() => new Worker(name, work, { connection, concurrency: 10 }));
  const numbers = Array.from({ length: count }, (_, number) => number);
  const plain = await queue.addBulk(numbers.map((number) => ({ name: 'plain', data: { number } })));
  const late = await Promise.all(
    numbers.slice(0, 20).map((number) => queue.add('late', { number }, { delay: 50 + 10 * number })),
  );
  const flaky = await Promise.all(
    numbers.slice(0, 20).map((number) =>
      queue.add('flaky', { number }, { attempts: 3, backoff: { type: 'fixed', delay: 30 } })),
  );
  const hopeless = await queue.add('hopeless', {}, { attempts: 2 });
  const same = await Promise.all([1, 2, 3].map((number) => queue.add('plain', { number }, { jobId: 'the-same' })));
  const flow = new FlowProducer({ connection });
  const tree = await flow.add({
    name: 'parent',
    queueName: name,
    children: [1, 2, 3, 4].map((number) => ({ name: 'child', queueName: name, data: { number } })),
  });

  const all = [...plain, ...late, ...flaky, same[0], tree.job];
  const results = await Promise.all(all.map((job) => job.waitUntilFinished(events, 60_000)));
  plain.forEach((job, at) => assert.strictEqual(results[at], 2 * job.data.number));
  assert.strictEqual(results[results.length - 1], 20, 'a parent sees what its children gave');
  await assert.rejects(hopeless.waitUntilFinished(events, 60_000), /every attempt fails/);

  for (const job of [...plain, ...late, same[0], tree.job]) assert.strictEqual(begun.get(job.id), 1, `${job.name} ${job.id} was begun ${begun.get(job.id)} times`);
  for (const job of flaky) assert.strictEqual(begun.get(job.id), 2, 'one retry is enough');
  assert.strictEqual(begun.get(hopeless.id), 2);

  const counts = await queue.getJobCounts('completed', 'failed', 'active', 'waiting', 'delayed');
  assert.deepStrictEqual(counts, {
    completed: plain.length + late.length + flaky.length + 1 + 5 + 5, failed: 1, active: 0, waiting: 0, delayed: 0,
  });
  await queue.clean(0, 1000, 'failed');
  assert.strictEqual(await queue.getFailedCount(), 0);

  await Promise.all(workers.map((worker) => worker.close()));
  await queue.obliterate({ force: true });
  await Promise.all([events.close(), queue.close(), flow.close()]);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(`${counts.completed} jobs done once each in ${seconds.toFixed(1)} s`);
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
