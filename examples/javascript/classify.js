// Classifies one text under some tasks: node classify.js HOST:PORT TEXT TASK...
import grpc from '@grpc/grpc-js';
import { call, Classifier, insecure } from './serving.js';

const [address, text, ...tasks] = process.argv.slice(2);
const classifier = new Classifier(address, insecure());
try {
  const response = await call(classifier, 'Classify', { inputs: [{ text }], tasks: tasks.map(task => ({ task })) });
  // One result for each input, in it one classification for each task, both in the request's order.
  for (const answer of response.results[0].classifications) {
    const best = answer.scores.find(score => score.label === answer.label);
    console.log(`${answer.task}\t${answer.label}\t${best.probability.toFixed(4)}\t${answer.version.slice(0, 12)}`);
  }
} catch (error) {
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  process.exitCode = 1;
} finally {
  classifier.close();
}
