// The checks with @grpc/grpc-js: node client.js HOST:PORT TASK VERSION_FOLDER DATASET_FILE. See run.sh for the lines that it prints.
import assert from 'node:assert/strict';
import { createReadStream, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const TEXT = 'what a charming film';
const STREAM_INPUTS = 120;
const CHUNK_BYTES = 50_000; // Several pieces a file.

const [address, task, folder, datasetFile] = process.argv.slice(2);
const files = [
  'google/rpc/status.proto', 'google/rpc/error_details.proto', 'grpc/health/v1/health.proto', 'grpc/reflection/v1alpha/reflection.proto',
  ...['classifier', 'tasks', 'datasets', 'jobs'].map(name => `serving/v1/${name}.proto`),
];
const options = {
  // Health and reflection are of Debian's package grpc-proto.
  includeDirs: [fileURLToPath(new URL('../../../protos', import.meta.url)), '/usr/share/grpc-proto'],
  longs: Number, enums: String, defaults: true, oneofs: true,
};
const definition = loader.loadSync(files, options);
const packages = grpc.loadPackageDefinition(definition);
const client = service => new service(address, grpc.credentials.createInsecure());
const { v1 } = packages.serving;
const classifier = client(v1.Classifier);
const tasks = client(v1.Tasks);
const datasets = client(v1.Datasets);
const jobs = client(v1.Jobs);
const clients = [classifier, tasks, datasets, jobs];

const deadline = seconds => ({ deadline: Date.now() + seconds * 1000 });
const call = (stub, method, request, seconds = 10) => new Promise((resolve, reject) => {
  stub[method](request, deadline(seconds), (error, response) => (error ? reject(error) : resolve(response)));
});
const upload = (stub, method, parts) => new Promise((resolve, reject) => {
  const stream = stub[method](deadline(60), (error, response) => (error ? reject(error) : resolve(response)));
  (async () => {
    for await (const part of parts) {
      stream.write(part);
    }
    stream.end();
  })().catch(reject);
});
const failure = promise => promise.then(() => assert.fail('no error'), error => error);
const near = (actual, expected) => assert.ok(Math.abs(actual - expected) <= 1e-3, `expected ${expected}, got ${actual}`);
const pieces = path => createReadStream(path, { highWaterMark: CHUNK_BYTES });
const classifyRequest = (texts, names) => ({ inputs: texts.map(text => ({ text })), tasks: names.map(name => ({ task: name })) });
const hex = number => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(number);
  return bytes.toString('hex');
};

const checks = {
  async health() {
    const stub = client(packages.grpc.health.v1.Health);
    clients.push(stub);
    assert.equal((await call(stub, 'Check', {})).status, 'SERVING');
    assert.equal((await failure(call(stub, 'Check', { service: 'no.such.Service' }))).code, grpc.status.NOT_FOUND);
  },

  async reflection() {
    const stub = client(packages.grpc.reflection.v1alpha.ServerReflection);
    clients.push(stub);
    const stream = stub.ServerReflectionInfo(deadline(10));
    stream.write({ listServices: '' });
    stream.write({ fileContainingSymbol: 'serving.v1.Jobs.WatchJob' });
    stream.end();
    const [services, file] = await stream.toArray();
    const names = services.listServicesResponse.service.map(service => service.name);
    for (const name of ['Classifier', 'Tasks', 'Models', 'Datasets', 'Jobs']) {
      assert.ok(names.includes(`serving.v1.${name}`), `${name} is missing`);
    }
    assert.ok(file.fileDescriptorResponse.fileDescriptorProto.some(bytes => bytes.includes('WatchJobRequest')));
  },

  async import_task() {
    async function* parts() {
      yield { header: { task, alias: 'production' } };
      for (const file of ['task.json', 'mask.safetensors', 'head.safetensors']) {
        for await (const data of pieces(join(folder, file))) {
          yield { chunk: { file, data } };
        }
      }
    }
    const response = await upload(tasks, 'ImportTask', parts());
    assert.deepEqual({ ...response }, { version: basename(folder), created: true });
  },

  async export_task() {
    const exported = {};
    for await (const part of tasks.ExportTask({ task: { task } }, deadline(60))) {
      if (part.part === 'header') {
        assert.equal(part.header.expectedVersion, basename(folder));
      } else {
        (exported[part.chunk.file] ??= []).push(part.chunk.data);
      }
    }
    assert.equal(Object.keys(exported).length, 3);
    for (const [name, data] of Object.entries(exported)) {
      assert.ok(Buffer.concat(data).equals(readFileSync(join(folder, name))), `${name} differs`);
    }
  },

  async classify() {
    const { results } = await call(classifier, 'Classify', classifyRequest([TEXT], ['sentiment', task]));
    assert.equal(results.length, 1);
    assert.deepEqual(results[0].classifications.map(answer => answer.task), ['sentiment', task]);
    for (const answer of results[0].classifications) {
      assert.equal(answer.label, 'positive');
      near(Math.max(...answer.scores.map(score => score.probability)), 0.9972);
      assert.equal(answer.version, basename(folder));
    }
    // As hexadecimal digits: exactly those that the others get.
    console.log('value logits', ...results[0].classifications[1].scores.map(score => hex(score.logit)));
  },

  async stream() {
    const names = ['sentiment', 'question', task];
    const texts = [TEXT, 'Who is this wonderful actor ?', 'the plot makes no sense at all', 'a waste of two hours'];
    const unary = await call(classifier, 'Classify', classifyRequest(texts, names));
    const request = number => ({
      id: 1_000_000_007 * number, input: { text: texts[number % texts.length] }, tasks: [{ task: names[number % names.length] }],
    });

    const stream = classifier.ClassifyStream(deadline(60));
    const answers = [];
    stream.write(request(0));
    for await (const answer of stream) {
      answers.push(answer);
      if (answers.length === 1) { // The answer to the first comes while the client has more to send.
        for (let number = 1; number < STREAM_INPUTS; number++) {
          stream.write(request(number));
        }
        stream.write({ id: -5, input: { text: TEXT }, tasks: [{ task: 'no-such-task' }] });
        stream.end();
      }
    }
    const byId = new Map(answers.map(answer => [answer.id, answer]));
    assert.equal(answers.length, STREAM_INPUTS + 1);
    assert.equal(byId.size, STREAM_INPUTS + 1);
    assert.equal(byId.get(-5).outcome, 'error');
    assert.equal(byId.get(-5).error.code, grpc.status.NOT_FOUND);
    for (let number = 0; number < STREAM_INPUTS; number++) {
      const expected = unary.results[number % texts.length].classifications[number % names.length];
      assert.deepEqual(byId.get(request(number).id).result.classifications, [expected]);
    }
  },

  async dataset() {
    async function* parts() {
      yield { header: { name: `${task}-data`, format: 'DATASET_FORMAT_TSV', textColumn: 'text', labelColumn: 'label' } };
      for await (const chunk of pieces(datasetFile)) {
        yield { chunk };
      }
    }
    const dataset = await upload(datasets, 'UploadDataset', parts());
    assert.equal(dataset.rows, 300);
    assert.deepEqual(
      Object.fromEntries(dataset.labels.map(count => [count.label, count.rows])),
      { alarm: 60, light: 60, message: 60, music: 60, weather: 60 });
  },

  async job() {
    const { id } = await call(jobs, 'SubmitJob', {
      spec: {
        classifier: { method: 'TRAINING_METHOD_MASK', model: 'mini', dataset: `${task}-data`, epochs: 1 },
        publish: { task: `${task}-learned`, alias: 'production' },
      },
    });
    const events = await jobs.WatchJob({ id, cursor: 0 }, deadline(150)).toArray();
    assert.deepEqual(events.map(event => event.number), events.map((_, index) => index + 1));
    assert.deepEqual(new Set(events.map(event => event.event)), new Set(['state', 'progress', 'evaluation']));
    assert.equal(events.at(-1).state, 'JOB_STATE_SUCCEEDED');
    const done = await call(jobs, 'GetJob', { id });
    assert.equal(done.events, events.length);
    const later = await jobs.WatchJob({ id, cursor: events.length - 2 }, deadline(10)).toArray();
    assert.deepEqual(later.map(event => event.number), [events.length - 1, events.length]);
    const answer = await call(classifier, 'Classify', classifyRequest(['put on some jazz'], [`${task}-learned`]));
    assert.equal(answer.results[0].classifications[0].version, done.taskVersion);
  },

  async error() {
    const error = await failure(call(classifier, 'Classify', classifyRequest([TEXT], ['sentimen'])));
    assert.equal(error.code, grpc.status.NOT_FOUND);
    const decode = (name, bytes) => definition[name].deserialize(bytes);
    const status = decode('google.rpc.Status', error.metadata.get('grpc-status-details-bin')[0]);
    assert.equal(status.code, error.code);
    assert.equal(status.message, error.details);
    const resource = status.details.find(detail => detail.type_url === 'type.googleapis.com/google.rpc.ResourceInfo');
    assert.equal(decode('google.rpc.ResourceInfo', resource.value).resourceName, 'sentimen');
  },

  async deadline() {
    const request = classifyRequest(Array(64).fill(TEXT.repeat(8)), ['sentiment', 'question', 'review']);
    assert.equal((await failure(call(classifier, 'Classify', request, 0.001))).code, grpc.status.DEADLINE_EXCEEDED);
    await call(classifier, 'Classify', classifyRequest([TEXT], ['sentiment'])); // The channel is as good as before.
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log('pass', name);
  } catch (error) { // Whatever it is, the other checks go on.
    console.log('fail', `${name}:`, String(error.message).replace(/\s+/g, ' '));
  }
}
clients.forEach(stub => stub.close());
