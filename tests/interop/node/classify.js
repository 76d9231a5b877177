// Imports a task version and classifies with it through @grpc/grpc-js: node classify.js HOST:PORT TASK FOLDER.
// Prints one JSON object: the version, the answers of a call, those of a stream by id, and the status of a wrong name.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [address, task, folder] = process.argv.slice(2);
const protos = fileURLToPath(new URL('../../../protos', import.meta.url));
const definition = loader.loadSync(
  ['serving/v1/classifier.proto', 'serving/v1/tasks.proto'],
  { includeDirs: [protos], keepCase: true, longs: Number, defaults: true, oneofs: true });
const { Classifier, Tasks } = grpc.loadPackageDefinition(definition).serving.v1;
const classifier = new Classifier(address, grpc.credentials.createInsecure());
const tasks = new Tasks(address, grpc.credentials.createInsecure());
const deadline = () => Date.now() + 30_000;

const imported = await new Promise((resolve, reject) => {
  const call = tasks.ImportTask({ deadline: deadline() }, (error, response) => (error ? reject(error) : resolve(response)));
  call.write({ header: { task, alias: 'production' } });
  for (const file of ['task.json', 'mask.safetensors', 'head.safetensors']) {
    const data = readFileSync(join(folder, file));
    for (let begin = 0; begin < data.length; begin += 1000) {
      call.write({ chunk: { file, data: data.subarray(begin, begin + 1000) } });
    }
  }
  call.end();
});

const classify = promisify(classifier.Classify.bind(classifier));
const answer = await classify({ inputs: [{ text: 'a b c' }], tasks: [{ task }] }, { deadline: deadline() });
const result = answer.results[0].classifications[0];

const streamed = {};
await new Promise((resolve, reject) => {
  const call = classifier.ClassifyStream({ deadline: deadline() });
  call.on('data', response => { streamed[response.id] = response.result.classifications[0].label; });
  call.on('error', reject);
  call.on('end', resolve);
  for (let id = 0; id < 50; id++) {
    call.write({ id, input: { text: id % 2 ? 'a b c' : 'd' }, tasks: [{ task }] });
  }
  call.end();
});

let wrong = 'OK';
try {
  await classify({ inputs: [{ text: 'a' }], tasks: [{ task: 'no-such-task' }] }, { deadline: deadline() });
} catch (error) {
  wrong = grpc.status[error.code];
}
console.log(JSON.stringify({
  version: imported.version,
  label: result.label,
  logits: result.scores.map(score => score.logit),
  streamed,
  wrong_name: wrong,
}));
