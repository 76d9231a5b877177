// Uploads a task version and puts it into production: node import-task.js HOST:PORT TASK FOLDER
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { insecure, Tasks, upload } from './serving.js';

const [address, task, folder] = process.argv.slice(2);

// A header, then the files one after another, in pieces.
async function* parts() {
  yield { header: { task, alias: 'production' } };
  for (const file of ['task.json', 'mask.safetensors', 'head.safetensors']) {
    for await (const data of createReadStream(join(folder, file), { highWaterMark: 256 * 1024 })) {
      yield { chunk: { file, data } };
    }
  }
}

const tasks = new Tasks(address, insecure());
const response = await upload(tasks, 'ImportTask', parts());
console.log(`${task}\t${response.version}\t${response.created ? 'new' : 'was there'}`);
tasks.close();
