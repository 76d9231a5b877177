// Classifies lines of standard input in one stream: node stream.js HOST:PORT TASK < texts
import { createInterface } from 'node:readline';
import { Classifier, insecure, send } from './serving.js';

const [address, task] = process.argv.slice(2);
const classifier = new Classifier(address, insecure());
const stream = classifier.ClassifyStream();
const texts = new Map();

async function* requests() {
  let id = 0;
  for await (const text of createInterface({ input: process.stdin })) {
    texts.set(++id, text);
    yield { id, input: { text }, tasks: [{ task }] };
  }
}

const sending = send(stream, requests());
// Answers come as they are ready, not in the order of the requests: the id says whose it is.
for await (const response of stream) {
  const text = texts.get(response.id);
  texts.delete(response.id);
  const said = response.outcome === 'error'
    ? `error: ${response.error.message}` // Only this text failed.
    : response.result.classifications[0].label;
  console.log(`${response.id}\t${text}\t${said}`);
}
await sending;
classifier.close();
