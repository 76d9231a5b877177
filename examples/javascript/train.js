// Trains a task from a file of texts and labels and watches it: node train.js HOST:PORT TASK FILE.tsv
import { createReadStream } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import { call, Datasets, insecure, Jobs, upload } from './serving.js';

const [address, task, path] = process.argv.slice(2);
const datasets = new Datasets(address, insecure());
const jobs = new Jobs(address, insecure());

async function* parts(name) {
  yield { header: { name, format: 'DATASET_FORMAT_TSV', textColumn: 'text', labelColumn: 'label' } };
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    yield { chunk };
  }
}

/** All events of a job until it is over, over lost connections and restarts of the server too. */
async function* watch(id) {
  let cursor = 0; // The number of the last event that came: where to go on.
  while (true) {
    try {
      for await (const event of jobs.WatchJob({ id, cursor })) {
        cursor = event.number;
        yield event;
      }
      return;
    } catch (error) {
      if (error.code !== grpc.status.UNAVAILABLE) {
        throw error;
      }
      await setTimeout(1000);
    }
  }
}

const dataset = await upload(datasets, 'UploadDataset', parts(`${task}-data`));
console.log(`${dataset.rows} rows, labels: ${dataset.labels.map(count => count.label).join(', ')}`);

const { id } = await call(jobs, 'SubmitJob', {
  spec: {
    classifier: { method: 'TRAINING_METHOD_MASK', model: 'mini', dataset: dataset.name, epochs: 2 },
    publish: { task, alias: 'production' },
  },
});
for await (const event of watch(id)) {
  if (event.event === 'progress') {
    console.log(`step ${event.progress.step}/${event.progress.totalSteps}  loss ${event.progress.loss.toFixed(3)}`);
  } else if (event.event === 'evaluation') {
    console.log(`evaluation: accuracy ${event.evaluation.metrics.accuracy.toFixed(4)}`);
  } else {
    console.log(event.state, event.message);
  }
}

const job = await call(jobs, 'GetJob', { id });
if (job.state === 'JOB_STATE_SUCCEEDED') {
  console.log(`${task}\t${job.taskVersion}`);
} else {
  console.error(`the job did not succeed: ${job.message}`);
  process.exitCode = 1;
}
datasets.close();
jobs.close();
