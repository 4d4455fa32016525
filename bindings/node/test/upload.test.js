'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { createReadStream, linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { Client, GlacierError, plan, treeHash, treeHashFile } = require('..');
const { MIB, VAULT, content, credentials, start } = require('./local');

const SIZE = 5 * MIB + 3;
const options = { partSize: MIB };
const denied = {
  kind: 'status',
  status: 403,
  body: JSON.stringify({ code: 'AccessDeniedException', message: 'no', type: 'Client' }),
};

/** Waits until `condition` is true. */
async function until(condition) {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 10));
}

test('uploads every kind of source', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const path = glacier.file(SIZE);
  const bytes = content(SIZE);
  const pieces = () => Readable.from([bytes.subarray(0, 10), bytes.subarray(10, 2 * MIB), bytes.subarray(2 * MIB)]);
  async function* generator() {
    yield* pieces();
  }
  for (const source of [path, pathToFileURL(path), bytes, new Uint8Array(bytes), pieces(), generator()]) {
    const archive = await client.upload(VAULT, source, { ...options, description: 'a test' });
    assert.deepEqual(await glacier.archive(archive.archiveId), bytes);
    assert.equal(archive.treeHash, treeHash(bytes));
    assert.ok(archive.location.endsWith(archive.archiveId));
  }
  assert.equal(await treeHashFile(path), treeHash(bytes));
});

test('rejects a value that is no source', async (t) => {
  const client = new Client((await start(t)).settings);
  t.after(() => client.close());
  for (const source of [null, 5, {}]) await assert.rejects(client.upload(VAULT, source), TypeError);
});

test('reports progress up to the archive size', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const reports = [];
  const onProgress = (progress) => reports.push(progress);
  await client.upload(VAULT, glacier.file(SIZE), { ...options, onProgress });
  const last = reports.at(-1);
  assert.equal(last.bytesDone, SIZE);
  assert.equal(last.bytesTotal, SIZE);
  assert.equal(last.partsTotal, 6);
  reports.length = 0;
  await client.upload(VAULT, Readable.from([content(SIZE)]), { ...options, onProgress });
  assert.equal(reports.at(-1).bytesDone, SIZE);
});

test('throws what the progress callback throws', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const failure = new RangeError('from the callback');
  const onProgress = () => {
    throw failure;
  };
  for (const source of [glacier.file(SIZE), Readable.from([content(SIZE)])]) {
    await glacier.fault('UploadMultipartPart', { kind: 'delay_answer', millis: 2000 });
    await assert.rejects(client.upload(VAULT, source, { ...options, onProgress }), (error) => error === failure);
  }
});

test('returns the archive if the last progress report throws', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  for (const source of [glacier.file(SIZE), content(SIZE), Readable.from([content(SIZE)])]) {
    let upload;
    const onProgress = () => {
      if (upload.archiveId) throw new Error('from the callback');
    };
    upload = client.createUpload(VAULT, options);
    assert.equal((await upload.run(source, { onProgress })).archiveId, upload.archiveId);
    upload.close();
  }
  for (const onProgress of [5, {}, 'text']) {
    await assert.rejects(client.upload(VAULT, content(1), { onProgress }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => client.createWriteStream(VAULT, { onProgress }), { code: 'ERR_INVALID_ARG_TYPE' });
  }
});

test('describes a failure of the service', async (t) => {
  const client = new Client((await start(t)).settings);
  t.after(() => client.close());
  await assert.rejects(client.upload('other-vault', content(10)), (error) => {
    assert.ok(error instanceof GlacierError && error instanceof Error);
    assert.equal(error.code, 'GLACIER_E_NOT_FOUND');
    assert.match(error.message, /other-vault/);
    assert.equal(error.operation, 'InitiateMultipartUpload');
    assert.equal(error.httpStatus, 404);
    assert.equal(error.serviceCode, 'ResourceNotFoundException');
    assert.ok(error.requestId);
    assert.equal(error.isRetryable, false);
    assert.equal(error.isResumable, false);
    return true;
  });
});

test('rejects bad settings and options', async (t) => {
  const { settings } = await start(t);
  assert.throws(() => new Client({ ...settings, region: 'US EAST' }), { code: 'GLACIER_E_INVALID' });
  assert.throws(() => new Client({ ...settings, regoin: 'us-east-1' }), TypeError);
  assert.throws(() => new Client({ ...settings, log: () => {}, logLevel: 'loud' }), TypeError);
  const client = new Client(settings);
  assert.throws(() => client.createUpload('bad/vault'), { code: 'GLACIER_E_INVALID' });
  assert.throws(() => client.createUpload(VAULT, { partSize: 3 }), { code: 'GLACIER_E_INVALID' });
  await assert.rejects(client.upload(VAULT, '/no/such/file'), { code: 'GLACIER_E_IO' });
  client.close();
  await assert.rejects(client.upload(VAULT, content(1)), TypeError);
});

test('an aborted signal stops the upload, which resumes', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const path = glacier.file(SIZE);
  const journal = join(glacier.directory, 'journal');
  const controller = new AbortController();
  await glacier.fault('UploadMultipartPart', { kind: 'stall' });
  const stopped = client.upload(VAULT, path, { ...options, journal, signal: controller.signal });
  await until(async () => (await glacier.requests('UploadMultipartPart')).length > 2);
  const reason = new Error('the reason');
  controller.abort(reason);
  await assert.rejects(stopped, { name: 'AbortError', code: 'GLACIER_E_CANCELED', cause: reason, isResumable: true });
  const archive = await client.upload(VAULT, path, { ...options, journal });
  assert.deepEqual(await glacier.archive(archive.archiveId), content(SIZE));
  assert.equal((await glacier.requests('InitiateMultipartUpload')).length, 1);

  const before = AbortSignal.abort(reason);
  await assert.rejects(client.upload(VAULT, path, { signal: before }), (error) => error === reason);
  await assert.rejects(client.listUploads(VAULT, { signal: before }), (error) => error === reason);
});

test('an aborted signal stops a stream', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const controller = new AbortController();
  async function* endless() {
    for (;;) yield content(MIB);
  }
  const stopped = client.upload(VAULT, endless(), { ...options, signal: controller.signal });
  await until(async () => (await glacier.requests('UploadMultipartPart')).length > 2);
  controller.abort();
  await assert.rejects(stopped, { name: 'AbortError', code: 'GLACIER_E_CANCELED', isResumable: true });
});

test('an aborted signal stops a list, also before it is requested', async (t) => {
  const glacier = await start(t);
  const controller = new AbortController();
  let calls = 0;
  const provider = () => {
    calls += 1;
    if (calls === 2) controller.abort();
    return { ...credentials, expiration: new Date(Date.now() + 1) };
  };
  const client = new Client({ ...glacier.settings, credentials: provider });
  t.after(() => client.close());
  const first = new AbortController();
  await glacier.fault('ListMultipartUploads', { kind: 'stall' });
  const stopped = client.listUploads(VAULT, { signal: first.signal });
  await until(async () => (await glacier.requests('ListMultipartUploads')).length === 1);
  first.abort();
  await assert.rejects(stopped, { name: 'AbortError', code: 'GLACIER_E_CANCELED', cause: first.signal.reason });

  await assert.rejects(client.listUploads(VAULT, { signal: controller.signal }), { name: 'AbortError' });
  assert.equal((await glacier.requests('ListMultipartUploads')).length, 1);
});

test('writes a stream and creates no archive of a broken one', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const stream = client.createWriteStream(VAULT, options);
  assert.equal(stream.archive, null);
  await pipeline(Readable.from([content(SIZE)]), stream);
  assert.deepEqual(await glacier.archive(stream.archive.archiveId), content(SIZE));

  async function* broken() {
    yield content(2 * MIB);
    throw new Error('the source broke');
  }
  await assert.rejects(client.upload(VAULT, broken(), options), /the source broke/);
  assert.equal((await glacier.requests('CompleteMultipartUpload')).length, 1);
});

test('resumes, lists and aborts by upload ID', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const upload = client.createUpload(VAULT, { ...options, description: 'to resume' });
  await glacier.fault('CompleteMultipartUpload', denied);
  await assert.rejects(upload.run(content(SIZE)), { isResumable: true });
  const [listed] = await client.listUploads(VAULT);
  assert.deepEqual([listed.uploadId, listed.description, listed.partSize], [upload.id, 'to resume', MIB]);
  assert.ok(Math.abs(listed.created - Date.now()) < 60000);
  const parts = await upload.listParts();
  assert.deepEqual(parts.map(({ length }) => length), [MIB, MIB, MIB, MIB, MIB, 3]);
  assert.equal(parts[1].treeHash, treeHash(content(SIZE).subarray(MIB, 2 * MIB)));
  const archive = await upload.run();
  assert.equal(archive.archiveId, upload.archiveId);
  assert.equal(upload.state, 'completed');
  upload.close();

  const other = client.createUpload(VAULT, options);
  await glacier.fault('UploadMultipartPart', { kind: 'status', status: 400 }, null);
  await assert.rejects(other.run(content(SIZE)), { code: 'GLACIER_E_SERVICE' });
  await other.abort();
  assert.equal(other.state, 'aborted');
  assert.deepEqual(await client.listUploads(VAULT), []);
  await other[Symbol.asyncDispose]();
  assert.throws(() => other.state, TypeError);
});

test('runs many uploads at once', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const sources = Array.from({ length: 12 }, (_, index) => content(SIZE + index));
  const archives = await Promise.all(
    sources.map((bytes, index) => client.upload(VAULT, index % 2 ? bytes : Readable.from([bytes]), options)),
  );
  for (const [index, { archiveId }] of archives.entries()) {
    assert.deepEqual(await glacier.archive(archiveId), sources[index]);
  }
});

test('asks a function for credentials, and again before they expire', async (t) => {
  const glacier = await start(t);
  await glacier.token('token-1');
  const lifetimes = [2000, 3_600_000];
  let calls = 0;
  const provider = async () => {
    const expiration = new Date(Date.now() + lifetimes[calls]);
    calls += 1;
    return { ...credentials, sessionToken: `token-${calls}`, expiration };
  };
  const client = new Client({ ...glacier.settings, credentials: provider });
  t.after(() => client.close());
  // The upload ends only after the credentials were replaced in the background.
  async function* source() {
    yield content(2 * MIB);
    await until(() => calls === 2);
    await glacier.token('token-2');
    yield content(MIB);
  }
  const archive = await client.upload(VAULT, source(), options);
  assert.equal((await glacier.archive(archive.archiveId)).length, 3 * MIB);
  await client.listUploads(VAULT);
  assert.equal(calls, 2);
});

test('reports why a credentials function failed', async (t) => {
  const glacier = await start(t);
  const failure = new Error('no role');
  const client = new Client({ ...glacier.settings, credentials: () => Promise.reject(failure) });
  t.after(() => client.close());
  await assert.rejects(client.upload(VAULT, content(SIZE)), (error) => error === failure);
  assert.deepEqual(await glacier.requests(), []);
});

test('takes the keys of a profile, and sends requests through a proxy', async (t) => {
  const glacier = await start(t);
  const config = join(glacier.directory, 'config');
  const { accessKeyId, secretAccessKey } = credentials;
  const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}`;
  writeFileSync(config, `[profile work]\nregion = us-east-1\nendpoint_url = ${glacier.endpoint}\n${keys}\n`);
  process.env.AWS_CONFIG_FILE = config;
  t.after(() => delete process.env.AWS_CONFIG_FILE);
  const client = new Client({ profile: 'work' });
  t.after(() => client.close());
  assert.equal((await client.upload(VAULT, content(SIZE), options)).treeHash, treeHash(content(SIZE)));
  assert.throws(() => new Client({ profile: 'other' }), /other/);

  const proxied = new Client({ ...glacier.settings, proxy: 'http://127.0.0.1:1', maxAttempts: 1 });
  t.after(() => proxied.close());
  await assert.rejects(proxied.upload(VAULT, content(1)), { code: 'GLACIER_E_NETWORK', message: /127\.0\.0\.1:1\b/ });
});

test('delivers log lines', async (t) => {
  const glacier = await start(t);
  const lines = [];
  const client = new Client({ ...glacier.settings, log: (level, message) => lines.push([level, message]) });
  t.after(() => client.close());
  await glacier.fault('UploadMultipartPart', { kind: 'status', status: 503 });
  await client.upload(VAULT, content(SIZE), options);
  assert.ok(lines.some(([level, message]) => level === 'warn' && message.includes('503')), JSON.stringify(lines));
});

test('the event loop stays alive until a forgotten promise ends', async (t) => {
  const glacier = await start(t);
  await glacier.fault('UploadMultipartPart', { kind: 'delay_answer', millis: 700 });
  const program = `
    const { Client } = require(${JSON.stringify(join(__dirname, '..'))});
    const client = new Client(${JSON.stringify(glacier.settings)});
    client.upload('${VAULT}', ${JSON.stringify(glacier.file(SIZE))}, { partSize: ${MIB} }).then(({ archiveId }) => console.log(archiveId));
  `;
  const done = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  assert.deepEqual(await glacier.archive(done.stdout.trim()), content(SIZE));
});

test('plans an archive', () => {
  assert.equal(plan(42_949_672_960_000).partSize, 4 * 1024 ** 3);
  assert.equal(plan(SIZE, { partSize: MIB }).partCount, 6);
  assert.throws(() => plan(0), { code: 'GLACIER_E_INVALID' });
});

test('the licenses are those of the repository', () => {
  for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) {
    assert.equal(readFileSync(join(__dirname, '..', name), 'utf8'), readFileSync(join(__dirname, '../../..', name), 'utf8'));
  }
});

test('trusts the authority of the CA file', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'glacier-node-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const caFile = join(directory, 'ca.pem');
  const glacier = await start(t, '--tls', '--ca-out', caFile);
  const clients = [new Client({ ...glacier.settings, caFile }), new Client(glacier.settings)];
  t.after(() => clients.forEach((client) => client.close()));
  assert.deepEqual(await clients[0].listUploads(VAULT), []);
  await assert.rejects(clients[1].listUploads(VAULT), { code: 'GLACIER_E_TLS', message: /its issuer is not in the/ });
});

test('rejects a stream that reads the journal', async (t) => {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  const path = join(glacier.directory, 'both');
  const link = join(glacier.directory, 'link');
  writeFileSync(path, '');
  linkSync(path, link);
  for (const journal of [path, link]) {
    const upload = client.upload(VAULT, createReadStream(path), { ...options, journal });
    await assert.rejects(upload, { name: 'GlacierError', code: 'GLACIER_E_INVALID', message: /is the source file/ });
  }
  assert.equal(readFileSync(path, 'utf8'), '');
});
