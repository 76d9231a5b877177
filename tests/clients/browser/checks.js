// What a browser gets over gRPC-Web beside what the example's page shows; client.js runs it in Chromium.
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { ResourceInfoSchema } from '../../../examples/browser/gen/google/rpc/error_details_pb.js';
import { Classifier } from '../../../examples/browser/gen/serving/v1/classifier_pb.js';
import { JobState, Jobs } from '../../../examples/browser/gen/serving/v1/jobs_pb.js';

const equal = (actual, expected) => {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
};

const hex = number => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, number);
  return view.getUint32(0).toString(16).padStart(8, '0');
};

/** Runs all checks against a server, and returns the lines to print. */
globalThis.runChecks = async server => {
  const transport = createGrpcWebTransport({ baseUrl: server });
  const classifier = createClient(Classifier, transport);
  const jobs = createClient(Jobs, transport);
  const request = (task, text = 'what a charming film') => ({ inputs: [{ text }], tasks: [{ task }] });
  const lines = [];

  const checks = {
    async classify() {
      const [answer] = (await classifier.classify(request('sentiment'))).results[0].classifications;
      equal(answer.label, 'positive');
      lines.push(`value logits ${answer.scores.map(score => hex(score.logit)).join(' ')}`);
    },

    // A stream of the server: what happened in a job that is over.
    async events() {
      const job = (await jobs.listJobs({})).jobs.find(some => some.state === JobState.SUCCEEDED);
      const numbers = [];
      let last;
      for await (const event of jobs.watchJob({ id: job.id })) {
        numbers.push(Number(event.number));
        last = event.event;
      }
      equal(numbers, Array.from({ length: Number(job.events) }, (_, index) => index + 1));
      equal(last, { case: 'state', value: JobState.SUCCEEDED });
    },

    // Its details are in a trailer, which the server must send and allow the page to read.
    async error() {
      const error = await classifier.classify(request('sentimen')).then(() => equal('no error', 'an error'), ConnectError.from);
      equal(Code[error.code], 'NotFound');
      equal(error.findDetails(ResourceInfoSchema)[0]?.resourceName, 'sentimen');
    },

    async deadline() {
      const large = { inputs: Array(64).fill({ text: 'what a charming film '.repeat(8) }), tasks: [{ task: 'sentiment' }] };
      const error = await classifier.classify(large, { timeoutMs: 1 }).then(() => equal('no error', 'an error'), ConnectError.from);
      equal(Code[error.code], 'DeadlineExceeded');
      await classifier.classify(request('sentiment')); // The server is as good as before.
    },
  };

  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      lines.push(`pass ${name}`);
    } catch (error) { // Whatever it is, the other checks go on.
      lines.push(`fail ${name}: ${String(error.message).replace(/\s+/g, ' ')}`);
    }
  }
  return lines;
};
