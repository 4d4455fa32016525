'use strict';

// Streams as sources: their chunks, their ends, and their lengths.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { appendFileSync, createReadStream, truncateSync } = require('node:fs');
const { PassThrough, Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { test } = require('node:test');
const { createGunzip, createGzip } = require('node:zlib');
const { Client } = require('..');
const { MIB, VAULT, content, start } = require('./local');

const SIZE = 3 * MIB + 5;
const options = { partSize: MIB };

async function open(t) {
  const glacier = await start(t);
  const client = new Client(glacier.settings);
  t.after(() => client.close());
  return { glacier, client };
}

/** A source that records its end and, after `chunks`, never has another one. */
function stalled(chunks = [content(10)]) {
  const ends = [];
  let reportStall;
  const isStalled = new Promise((resolve) => { reportStall = resolve; });
  const next = () => chunks.shift() ?? (reportStall(), null);
  const kinds = {
    iterator: () => ({
      [Symbol.asyncIterator]() { return this; },
      next() {
        const value = next();
        return value ? Promise.resolve({ done: false, value }) : new Promise(() => {});
      },
      return: async () => { ends.push('return'); },
    }),
    generator: () => (async function* generator() {
      for (let chunk = next(); chunk; chunk = next()) yield chunk;
      await new Promise(() => {});
    }()),
    readable: () => new Readable({
      read() { const chunk = next(); if (chunk) this.push(chunk); },
      destroy(error, callback) { ends.push('destroy'); callback(error); },
    }),
    web: () => new ReadableStream({
      pull(controller) {
        const chunk = next();
        if (chunk) controller.enqueue(chunk);
        return chunk ? undefined : new Promise(() => {});
      },
      cancel() { ends.push('cancel'); },
    }, { highWaterMark: 0 }),
  };
  return { kinds, ends, isStalled };
}

for (const size of [1, 1000, 65536, MIB - 1, MIB, 2 * MIB + 1]) {
  test(`an iterable reuses its buffer of ${size} bytes`, async (t) => {
    const { glacier, client } = await open(t);
    const bytes = content(Math.min(size * 100, SIZE));
    async function* source() {
      const buffer = Buffer.alloc(size);
      for (let offset = 0; offset < bytes.length; offset += size) {
        yield buffer.subarray(0, bytes.copy(buffer, 0, offset));
        buffer.fill(0xff);
      }
    }
    const archive = await client.upload(VAULT, source(), options);
    assert.deepEqual(await glacier.archive(archive.archiveId), bytes);
  });
}

test('uploads web streams and iterators that are no generators', async (t) => {
  const { glacier, client } = await open(t);
  const bytes = content(SIZE);
  let offset = 0;
  const byob = new ReadableStream({
    type: 'bytes',
    autoAllocateChunkSize: 65536,
    pull(controller) {
      const { view } = controller.byobRequest;
      const count = bytes.copy(view, 0, offset);
      offset += count;
      controller.byobRequest.respond(count);
      if (offset === bytes.length) controller.close();
    },
  });
  const chunks = [bytes.subarray(0, 7), new Uint8Array(0), new Uint8Array(bytes.subarray(7))];
  const iterator = {
    [Symbol.asyncIterator]() { return this; },
    async next() { return { done: chunks.length === 0, value: chunks.shift() }; },
  };
  for (const source of [new Blob([bytes]).stream(), new Response(bytes).body, byob, iterator]) {
    const archive = await client.upload(VAULT, source, options);
    assert.deepEqual(await glacier.archive(archive.archiveId), bytes);
  }
});

test('rejects chunks that are no Uint8Array', async (t) => {
  const { glacier, client } = await open(t);
  const path = glacier.file(SIZE);
  let isEnded = false;
  async function* strings() {
    try {
      yield content(10);
      yield 'text';
    } finally {
      isEnded = true;
    }
  }
  const web = new ReadableStream({ start: (controller) => controller.enqueue('text') });
  const sources = [
    [Readable.from([1, 2]), 'a number'],
    [Readable.from(['text']), 'a string'],
    [createReadStream(path, 'utf8'), 'a string'],
    [strings(), 'a string'],
    [Readable.from([new Float64Array(4)]), 'an object'],
    [Readable.from([[1]]), 'an array'],
    [web, 'a string'],
  ];
  for (const [source, kind] of sources) {
    const message = `a chunk of the source must be a Uint8Array, not ${kind}`;
    const rejection = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message };
    await assert.rejects(client.upload(VAULT, source, options), rejection);
    if (source.destroy) assert.ok(source.destroyed);
  }
  assert.ok(isEnded);
  assert.equal(web.locked, false);
  assert.equal((await glacier.requests('CompleteMultipartUpload')).length, 0);
});

test('the failure of an upload ends its source', async (t) => {
  const { client } = await open(t);
  let isEnded = false;
  async function* generator() {
    try {
      for (;;) yield content(MIB);
    } finally {
      await new Promise((done) => setTimeout(done, 1));
      isEnded = true;
    }
  }
  await assert.rejects(client.upload('other-vault', generator(), options), { code: 'GLACIER_E_NOT_FOUND' });
  assert.ok(isEnded);
  for (const [name, end] of [['iterator', 'return'], ['readable', 'destroy'], ['web', 'cancel']]) {
    const { kinds, ends } = stalled([content(MIB), content(MIB), content(MIB)]);
    await assert.rejects(client.upload('other-vault', kinds[name](), options), { code: 'GLACIER_E_NOT_FOUND' });
    assert.deepEqual(ends, [end]);
  }
});

test('rejects with the first error, although the end of the source throws', async (t) => {
  const { client } = await open(t);
  const fail = () => { throw new Error('from the end'); };
  const iterator = (value, end = fail) => ({
    [Symbol.asyncIterator]() { return this; },
    next: async () => ({ done: false, value }),
    return: end,
  });
  const pending = { ...iterator(), next: () => new Promise(() => {}), destroy: fail };
  const rejection = { name: 'TypeError', message: /^a chunk of the source must be a Uint8Array/ };
  for (const end of [fail, async () => fail(), () => ({ then: fail })]) {
    const upload = client.createUpload(VAULT, options);
    await assert.rejects(upload.run(iterator('text', end)), rejection);
    // The stream has ended: a new one can be created.
    assert.ok((await upload.run(Readable.from([content(10)]))).archiveId);
    upload.close();
  }
  for (const source of [pending, { ...pending, destroy: async () => fail() }, { ...pending, once: fail }]) {
    const upload = client.createUpload(VAULT, options);
    const running = upload.run(source);
    await new Promise((done) => setImmediate(done));
    upload.cancel();
    await assert.rejects(running, { code: 'GLACIER_E_CANCELED' });
    upload.close();
  }
});

test('rejects with the error of a source', async (t) => {
  const { glacier, client } = await open(t);
  const failure = new Error('the source broke');
  async function* broken() {
    yield content(2 * MIB);
    throw failure;
  }
  const web = new ReadableStream({ pull: () => { throw failure; } });
  const throwing = { [Symbol.asyncIterator]() { throw failure; } };
  const readable = new Readable({ read() { this.destroy(failure); } });
  for (const source of [broken(), Readable.from(broken()), web, throwing, readable]) {
    await assert.rejects(client.upload(VAULT, source, options), (error) => error === failure);
  }
  const incomplete = new PassThrough();
  incomplete.write(content(10), () => incomplete.destroy());
  await assert.rejects(client.upload(VAULT, incomplete, options), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
  const locked = new Blob(['text']).stream();
  locked.getReader();
  await assert.rejects(client.upload(VAULT, locked, options), TypeError);
  assert.equal((await glacier.requests('CompleteMultipartUpload')).length, 0);
});

for (const [kind, end] of [['iterator', 'return'], ['generator'], ['readable', 'destroy'], ['web', 'cancel']]) {
  test(`a signal, cancel and close stop an upload whose source (${kind}) stalls`, async (t) => {
    const { client } = await open(t);
    for (const stop of ['abort', 'cancel', 'close']) {
      const { kinds, ends, isStalled } = stalled();
      const upload = client.createUpload(VAULT, options);
      const controller = new AbortController();
      const reason = new Error('the reason');
      const running = upload.run(kinds[kind](), { signal: controller.signal });
      await isStalled;
      await new Promise((done) => setTimeout(done, 1));
      if (stop === 'abort') controller.abort(reason);
      else upload[stop]();
      const rejection = { code: 'GLACIER_E_CANCELED', message: /^canceled/ };
      if (stop === 'abort') Object.assign(rejection, { name: 'AbortError', cause: reason });
      await assert.rejects(running, rejection);
      assert.deepEqual(ends, end ? [end] : []);
      upload.close();
    }
  });
}

test('an upload is closed while it writes the blocks of a chunk', async (t) => {
  const { client } = await open(t);
  const chunk = content(16 * MIB);
  for (const delay of [0, 1, 5, 20]) {
    const upload = client.createUpload(VAULT, options);
    async function* source() {
      setTimeout(() => upload.close(), delay);
      for (;;) yield chunk;
    }
    await assert.rejects(upload.run(source()), { code: 'GLACIER_E_CANCELED' });
  }
});

test('a signal stops a stream that waits for data', async (t) => {
  const { client } = await open(t);
  const controller = new AbortController();
  const stream = client.createWriteStream(VAULT, { ...options, signal: controller.signal });
  await new Promise((done) => stream.write(content(10), done));
  const failed = once(stream, 'error');
  controller.abort();
  assert.equal((await failed)[0].name, 'AbortError');
});

test('a progress callback that throws stops an upload whose source stalls', async (t) => {
  const { client } = await open(t);
  const failure = new Error('from the callback');
  const onProgress = () => { throw failure; };
  const { kinds } = stalled();
  await assert.rejects(client.upload(VAULT, kinds.generator(), { ...options, onProgress }), (error) => error === failure);
});

test('rejects a file that is truncated while it is read', async (t) => {
  const { glacier, client } = await open(t);
  const path = glacier.file(SIZE);
  const short = { name: 'GlacierError', code: 'GLACIER_E_SOURCE_SHORT', message: /1000 of the 3145733 bytes of the file "/ };
  const truncated = (run, settings) => {
    glacier.file(SIZE);
    const file = createReadStream(path, settings);
    const running = run(file);
    file.once('open', () => truncateSync(path, 1000));
    return running;
  };
  await assert.rejects(truncated((file) => client.upload(VAULT, file, options)), short);
  await assert.rejects(truncated((file) => pipeline(file, client.createWriteStream(VAULT, options))), short);
  glacier.file(SIZE);
  const early = client.upload(VAULT, createReadStream(path), options);
  truncateSync(path, 1000);
  await assert.rejects(early, short);
  const tail = truncated((file) => client.upload(VAULT, file, options), { start: 10, end: 2009 });
  await assert.rejects(tail, { ...short, message: /990 of the 2000 bytes of the file "/ });
  assert.equal((await glacier.requests('CompleteMultipartUpload')).length, 0);
  // The archive size takes precedence.
  const { archiveId } = await truncated((file) => client.upload(VAULT, file, { ...options, archiveSize: 1000 }));
  assert.deepEqual(await glacier.archive(archiveId), content(1000));
});

test('uploads a compressed file, files that grow, ranges of files, and the rest of a file', async (t) => {
  const { glacier, client } = await open(t);
  const path = glacier.file(SIZE);
  const bytes = content(SIZE);
  const rest = createReadStream(path);
  await once(rest, 'readable');
  rest.read(1000);
  const range = { start: 5, end: 2 * MIB };
  const sources = [
    [rest, bytes.subarray(1000)],
    [createReadStream(path).pipe(createGzip()).pipe(createGunzip()), bytes],
    [createReadStream(path, range), bytes.subarray(5, 2 * MIB + 1)],
    [createReadStream(path, { start: 5, end: 2 * SIZE }), bytes.subarray(5)],
  ];
  const warnings = [];
  process.on('warning', (warning) => warnings.push(warning));
  for (const [source, expected] of sources) {
    const archive = await client.upload(VAULT, source, options);
    assert.deepEqual(await glacier.archive(archive.archiveId), expected);
  }
  assert.deepEqual(warnings, []);
  const grows = createReadStream(path);
  const running = client.upload(VAULT, grows, options);
  grows.once('open', () => appendFileSync(path, 'more'));
  const { archiveId } = await running;
  assert.deepEqual(await glacier.archive(archiveId), Buffer.concat([bytes, Buffer.from('more')]));

  // The program reads only the beginning of the file.
  const stream = client.createWriteStream(VAULT, options);
  const beginning = createReadStream(path);
  beginning.pipe(stream);
  await once(beginning, 'data');
  beginning.unpipe(stream);
  stream.end();
  await once(stream, 'finish');
  assert.ok(stream.archive);
  beginning.destroy();
});
