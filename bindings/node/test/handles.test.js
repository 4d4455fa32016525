'use strict';

// No call of the library uses a handle after it was freed, in any order of events. Each program runs in a child process, in
// which a freed handle is overwritten, so that its use ends the process with a signal.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { test } = require('node:test');
const { MIB, VAULT, content, start } = require('./local');

/**
 * The beginning of each program. The process has one worker thread. `occupy` blocks it until `release` is called: calls
 * that follow stay queued.
 */
const PRELUDE = `
  const assert = require('node:assert/strict');
  const { once } = require('node:events');
  const { Readable, Writable } = require('node:stream');
  const { pipeline } = require('node:stream/promises');
  const { Client, treeHash } = require(${JSON.stringify(join(__dirname, '..'))});
  const VAULT = ${JSON.stringify(VAULT)};
  const options = { partSize: ${MIB} };
  const settings = JSON.parse(process.env.SETTINGS);
  const client = new Client(settings);
  const tick = () => new Promise((done) => setImmediate(done));

  function occupy() {
    const blocker = new Client(settings);
    const controller = new AbortController();
    const blocked = blocker.listUploads(VAULT, { signal: controller.signal }).catch(() => blocker.close());
    return async function release() {
      controller.abort();
      await blocked;
    };
  }

  /** Creates a stream whose first write is queued. */
  async function writing(stream = client.createWriteStream(VAULT, options)) {
    stream.write(Buffer.alloc(1000));
    await tick();
    assert.equal(stream.writableLength, 1000);
    return stream;
  }
`;

/** Runs a program to its end. Every list of uploads stalls. */
async function run(t, body, { nodeOptions = [], file, fault } = {}) {
  const glacier = await start(t);
  await glacier.fault('ListMultipartUploads', { kind: 'stall' }, null);
  if (fault) await glacier.fault(...fault);
  const source = `${PRELUDE}\n(async () => {\n${body}\n})().then(() => console.log('end'));`;
  const child = spawn(process.execPath, [...nodeOptions, '-e', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      SETTINGS: JSON.stringify(glacier.settings),
      SOURCE: file ? glacier.file(file) : '',
      UV_THREADPOOL_SIZE: '1',
      // The C library overwrites freed memory with this byte.
      MALLOC_PERTURB_: '165',
    },
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), 10_000);
  t.after(() => clearTimeout(limit));
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => { output += data; });
  child.stderr.on('data', (data) => { errors += data; });
  const [status, signal] = await once(child, 'close');
  assert.deepEqual({ status, signal, output, errors }, { status: 0, signal: null, output: 'end\n', errors: '' });
  return glacier;
}

test('a stream is destroyed while a write is queued', (t) => run(t, `
  const release = occupy();
  const stream = await writing();
  const failed = once(stream, 'error');
  stream.destroy(new Error('the reason'));
  await tick();
  await release();
  assert.match((await failed)[0].message, /the reason/);
`));

test('a source fails while a write is queued', (t) => run(t, `
  const release = occupy();
  let chunks = 0;
  const source = new Readable({
    read() {
      if (chunks++ < 4) this.push(Buffer.alloc(65536));
      else setImmediate(() => this.destroy(new Error('source failed')));
    },
  });
  const uploaded = assert.rejects(client.upload(VAULT, source, options), /source failed/);
  await new Promise((done) => source.once('close', done));
  await tick();
  await release();
  await uploaded;
`));

test('a stream is destroyed while its end is queued', (t) => run(t, `
  const stream = client.createWriteStream(VAULT, options);
  await new Promise((done) => stream.write(Buffer.alloc(1000), done));
  const release = occupy();
  stream.end();
  await tick();
  stream.destroy();
  await tick();
  await release();
`));

test('an upload is closed while a write is queued', (t) => run(t, `
  const release = occupy();
  const upload = client.createUpload(VAULT, options);
  const stream = await writing(upload.createWriteStream());
  const failed = once(stream, 'error');
  upload.close();
  await tick();
  await release();
  assert.equal((await failed)[0].code, 'GLACIER_E_CANCELED');
`));

for (const method of ['listParts', 'abort']) {
  test(`an upload is closed while ${method} is queued`, (t) => run(t, `
    const release = occupy();
    const upload = client.createUpload(VAULT, { ...options, uploadId: 'an-upload' });
    const called = assert.rejects(upload.${method}());
    const another = assert.rejects(upload.${method}());
    await tick();
    upload.close();
    upload.close();
    assert.throws(() => upload.state, TypeError);
    await assert.rejects(upload.${method}(), TypeError);
    await release();
    await Promise.all([called, another]);
  `));

  test(`an upload is collected while ${method} is queued`, (t) => run(t, `
    const release = occupy();
    const called = assert.rejects(client.createUpload(VAULT, { ...options, uploadId: 'an-upload' }).${method}());
    for (let count = 0; count < 5; count += 1) {
      await tick();
      gc();
    }
    await release();
    await called;
  `, { nodeOptions: ['--expose-gc'] }));
}

test('an upload is closed while it runs', (t) => run(t, `
  for (const source of [process.env.SOURCE, Buffer.alloc(3 * options.partSize)]) {
    const upload = client.createUpload(VAULT, options);
    const reports = [];
    const onProgress = (progress) => reports.push(progress);
    const stopped = assert.rejects(upload.run(source, { onProgress }), { code: 'GLACIER_E_CANCELED' });
    await tick();
    upload.close();
    assert.throws(() => upload.cancel(), TypeError);
    await stopped;
    assert.ok(reports.length);
  }
`, { file: 3 * MIB, fault: ['UploadMultipartPart', { kind: 'stall' }, null] }));

test('an upload is closed in the last progress report', (t) => run(t, `
  const upload = client.createUpload(VAULT, options);
  const onProgress = ({ bytesDone, bytesTotal }) => {
    if (bytesDone === bytesTotal) upload.close();
  };
  assert.ok((await upload.run(process.env.SOURCE, { onProgress })).archiveId);
  assert.throws(() => upload.state, TypeError);
`, { file: 1000 }));

test('the end of an asynchronous disposal releases the journal', (t) => run(t, `
  const release = occupy();
  const upload = client.createUpload(VAULT, { ...options, journal: process.env.SOURCE + '.journal' });
  const stream = upload.createWriteStream();
  await writing(stream);
  const failed = once(stream, 'error');
  let isDisposed = false;
  const disposed = upload[Symbol.asyncDispose]().then(() => { isDisposed = true; });
  await tick();
  assert.equal(isDisposed, false);
  await release();
  await Promise.all([disposed, failed]);
`, { file: 1000 }));

test('an upload is closed while its stream is idle', (t) => run(t, `
  let reports = 0;
  const upload = client.createUpload(VAULT, options);
  const stream = upload.createWriteStream({ onProgress: () => { reports += 1; } });
  await new Promise((done) => stream.write(Buffer.alloc(1000), done));
  const failed = once(stream, 'error');
  upload.close();
  const before = reports;
  assert.equal((await failed)[0].code, 'GLACIER_E_CANCELED');
  const written = new Promise((done, fail) => stream.write('more', (error) => (error ? fail(error) : done())));
  await assert.rejects(written, { code: 'ERR_STREAM_DESTROYED' });
  assert.equal(reports, before);
`));

test('a client is closed while a list is queued', (t) => run(t, `
  const release = occupy();
  const controller = new AbortController();
  const listed = assert.rejects(client.listUploads(VAULT, { signal: controller.signal }), { name: 'AbortError' });
  await tick();
  client.close();
  await assert.rejects(client.listUploads(VAULT), TypeError);
  controller.abort();
  await release();
  await listed;
`));

test('the process exits while calls are in progress and queued', (t) => run(t, `
  occupy();
  await writing();
  console.log('end');
  process.exit();
`));

test('a chunk is detached while it is written', (t) => run(t, `
  const release = occupy();
  const stream = client.createWriteStream(VAULT, options);
  const size = 16 * options.partSize;
  const chunk = new Uint8Array(size).fill(7);
  stream.write(chunk);
  await tick();
  structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
  gc();
  const failed = once(stream, 'error');
  await release();
  const [error] = await failed;
  assert.equal(error.name, 'TypeError');
  assert.equal(error.code, 'ERR_INVALID_ARG_VALUE');
  assert.match(error.message, /^a chunk of the stream must not be detached or resized/);
`, { nodeOptions: ['--expose-gc'] }));

for (const waiting of [1, 2]) {
  test(`a chunk is detached while it waits with ${waiting - 1} others`, (t) => run(t, `
    const release = occupy();
    const stream = await writing();
    const chunk = new Uint8Array(1000);
    stream.write(chunk);
    if (${waiting} === 2) stream.write(Buffer.alloc(1000));
    structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
    stream.end();
    const failed = once(stream, 'error');
    await release();
    assert.match((await failed)[0].message, /^a chunk of the stream must not be detached or resized/);
    assert.equal(stream.archive, null);
  `));
}

test('a small chunk that is detached while it is written was copied', (t) => run(t, `
  const release = occupy();
  const stream = client.createWriteStream(VAULT, options);
  const chunk = new Uint8Array(options.partSize).fill(7);
  stream.end(chunk);
  await tick();
  structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
  gc();
  await release();
  await once(stream, 'finish');
  assert.equal(stream.archive.treeHash, treeHash(Buffer.alloc(options.partSize, 7)));
`, { nodeOptions: ['--expose-gc'] }));
