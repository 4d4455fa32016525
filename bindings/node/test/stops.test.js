'use strict';

// Streams that wait for data when their upload is canceled, closed or aborted.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { PassThrough, Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { test } = require('node:test');
const { Client } = require('..');
const { MIB, VAULT, content, credentials, start } = require('./local');

const options = { partSize: MIB };
const kept = /^canceled; the upload is kept and can be resumed: upload ID \S+$/;

async function open(t) {
  const client = new Client((await start(t)).settings);
  t.after(() => client.close());
  return client;
}

/** Waits for the event `close`. `once` of Node.js would listen for the event `error` too. */
const closed = (stream) => new Promise((done) => { stream.once('close', done); });
const written = (stream, chunk) => new Promise((done) => { stream.write(chunk, done); });

for (const [method, message] of [['cancel', kept], ['close', kept], ['abort', /^canceled$/]]) {
  const rejection = { code: 'GLACIER_E_CANCELED', message, isResumable: method !== 'abort' };

  test(`${method} ends a stream whose source stalls`, async (t) => {
    const client = await open(t);
    const upload = client.createUpload(VAULT, options);
    const source = new PassThrough();
    const stream = upload.createWriteStream();
    const rejected = assert.rejects(pipeline(source, stream), rejection);
    await written(source, content(2 * MIB));
    while (upload.state !== 'transferring' || stream.writableLength > 0) await new Promise((done) => setTimeout(done, 1));
    await upload[method]();
    await rejected;
    assert.ok(source.destroyed);
    upload.close();
  });

  test(`${method} ends a stream without a source`, async (t) => {
    const client = await open(t);
    const upload = client.createUpload(VAULT, options);
    const stream = upload.createWriteStream();
    const error = once(stream, 'error');
    await written(stream, content(10));
    await upload[method]();
    assert.match((await error)[0].message, method === 'abort' ? /^canceled$/ : /^canceled/);
    assert.ok(stream.destroyed);
    upload.close();
  });

  test(`${method} ends an unused stream`, async (t) => {
    const client = await open(t);
    for (const isReady of [true, false]) {
      const upload = client.createUpload(VAULT, options);
      const unheard = upload.createWriteStream();
      const heard = upload.createWriteStream();
      const error = once(heard, 'error');
      const ends = [closed(unheard), closed(heard)];
      if (isReady) await new Promise((done) => setImmediate(done));
      await upload[method]();
      await Promise.all(ends);
      assert.equal((await error)[0].code, 'GLACIER_E_CANCELED');
      assert.equal(unheard.errored, null);
      upload.close();
    }
  });
}

test('a run ends an unused stream that nobody listens to', async (t) => {
  const client = await open(t);
  const upload = client.createUpload(VAULT, options);
  const stream = upload.createWriteStream();
  const end = closed(stream);
  const heard = upload.createWriteStream();
  const error = once(heard, 'error');
  await upload.run(content(10));
  upload.close();
  await end;
  // The archive exists: the upload cannot be resumed.
  assert.equal((await error)[0].message, 'canceled');
});

test('an unused stream reports what its progress callback throws', () => {
  const settings = { endpoint: 'http://127.0.0.1:1', region: 'us-east-1', credentials };
  const program = `
    const { Client } = require(${JSON.stringify(join(__dirname, '..'))});
    const onProgress = () => { throw new Error('from the callback'); };
    new Client(${JSON.stringify(settings)}).createWriteStream('${VAULT}', { onProgress });
  `;
  const { status, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /^Error: from the callback$/m);
});

test('an aborted upload has no cancel for its next call', async (t) => {
  const client = await open(t);
  const upload = client.createUpload(VAULT, options);
  const stream = upload.createWriteStream();
  stream.on('error', () => {});
  await written(stream, content(2 * MIB));
  await upload.abort();
  await assert.rejects(upload.listParts(), { code: 'GLACIER_E_STATE' });
  await upload.abort();
  upload.close();
});

test('a failed stream has no cancel for the next call of its upload', async (t) => {
  const client = await open(t);
  const upload = client.createUpload(VAULT, options);
  await assert.rejects(upload.run(Readable.from(['text'])), TypeError);
  await assert.rejects(upload.listParts(), { code: 'GLACIER_E_STATE' });
  const unused = upload.createWriteStream();
  unused.destroy();
  await closed(unused);
  assert.ok((await upload.run(content(10))).archiveId);
  upload.close();

  const missing = client.createUpload('other-vault', options);
  await assert.rejects(missing.run(Readable.from([content(2 * MIB)])), { code: 'GLACIER_E_NOT_FOUND' });
  await assert.rejects(missing.listParts(), { code: 'GLACIER_E_STATE' });
  missing.close();
});
